"""A contact sheet of explained clips."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from clip_caer.explaining.explain import Explanation
from clip_caer.showing.palette import INK, PALE, PAPER, letters

SIDE, GAP, LEFT, WIDE = 132, 6, 104, 2  # pixels; clips side by side
RIGHT, WRONG, FAINT = (0, 122, 61), (190, 30, 30), (110, 110, 110)
BARS = {"face": (0, 114, 178), "context": (230, 159, 0)}


def contact_sheet(explanations: Sequence[Explanation], title: str) -> Image.Image:
    """A block for each clip: what each view was shown, what of it counted, and the views' part in the decision."""
    blocks = [_block(explanation) for explanation in explanations]
    columns = min(WIDE, len(blocks))
    width = columns * blocks[0].width + (columns + 1) * 3 * GAP
    rows = [blocks[i : i + columns] for i in range(0, len(blocks), columns)]
    head = 64
    height = head + sum(max(block.height for block in row) + 4 * GAP for row in rows)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((3 * GAP, 2 * GAP), title, font=letters(20), fill=INK)
    note = "below each picture, the brighter a place, the more it spoke for the predicted class"
    draw.text((3 * GAP, 2 * GAP + 26), note, font=letters(13), fill=FAINT)
    y = head
    for row in rows:
        for i, block in enumerate(row):
            sheet.paste(block, (3 * GAP + i * (blocks[0].width + 3 * GAP), y))
        y += max(block.height for block in row) + 4 * GAP
    return sheet


def heated(crop: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A crop uint8 [S, S, 3], dark where `heat` [h, w] is 0 and glowing where it is 1."""
    size = crop.shape[1::-1]
    heat = cv2.resize(heat.astype(np.float32), size, interpolation=cv2.INTER_CUBIC).clip(0, 1)[..., None]
    glow = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = np.repeat(crop.mean(axis=2, keepdims=True), 3, axis=2)
    return (grey * (0.55 - 0.25 * heat) + glow * (0.15 + 0.55 * heat)).clip(0, 255).astype(np.uint8)


def _block(explanation: Explanation) -> Image.Image:
    views = list(explanation.crops)
    width = LEFT + len(explanation.segments) * (SIDE + GAP)
    height = 66 + len(views) * 2 * (SIDE + GAP) + 10
    block = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(block)
    draw.line((0, 0, width, 0), fill=PALE, width=2)
    draw.text((0, 6), explanation.name, font=letters(15), fill=INK)
    _write_verdict(draw, explanation)
    _draw_shares(draw, explanation, width)
    y = 66
    for view in views:
        draw.text((0, y + SIDE / 2), view, font=letters(15), fill=INK, anchor="lm")
        draw.text((0, y + SIDE + GAP + SIDE / 2), "what counted", font=letters(13), fill=FAINT, anchor="lm")
        for i, (t, number) in enumerate(zip(explanation.segments, explanation.frames, strict=True)):
            x, crop = LEFT + i * (SIDE + GAP), explanation.crops[view][t]
            below = y + SIDE + GAP
            if crop is None:
                draw.rectangle((x, y, x + SIDE - 1, below + SIDE - 1), fill=PALE)
                draw.text((x + SIDE / 2, below), "not found", font=letters(13), fill=FAINT, anchor="mm")
            else:
                block.paste(Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC), (x, y))
                large = np.asarray(Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
                block.paste(Image.fromarray(heated(large, explanation.heat[view][t])), (x, below))
            if view == views[0]:
                draw.text((x + SIDE / 2, y - 3), f"frame {number}", font=letters(11), fill=FAINT, anchor="ms")
        y += 2 * (SIDE + GAP)
    return block


def _write_verdict(draw: ImageDraw.ImageDraw, explanation: Explanation) -> None:
    told = f"{explanation.predicted} {100 * explanation.probability:.0f} %"
    if explanation.label is None:
        text, colour = told, INK
    elif explanation.label == explanation.predicted:
        text, colour = f"{told}: right", RIGHT
    else:
        text, colour = f"{told}, but it is {explanation.label}", WRONG
    draw.text((0, 26), text, font=letters(16), fill=colour)


def _draw_shares(draw: ImageDraw.ImageDraw, explanation: Explanation, width: int) -> None:
    """A bar of two parts: how much of what spoke for the decision came from each view."""
    shares = {view: share for view, share in explanation.share.items() if share == share}  # not NaN
    if len(shares) < 2:
        return
    x0, x1, y0, y1 = width - 300, width - GAP, 8, 30
    draw.text((x1, y1 + 3), "told by", font=letters(11), fill=FAINT, anchor="ra")
    x = x0
    for view, share in shares.items():
        end = x + share * (x1 - x0)
        draw.rectangle((x, y0, end, y1), fill=BARS[view])
        text = f"{view} {100 * share:.0f} %"
        if letters(12).getlength(text) < end - x:
            draw.text(((x + end) / 2, (y0 + y1) / 2), text, font=letters(12), fill=PAPER, anchor="mm")
        x = end
