"""Frames are drawn over the whole clip, in true order."""

import torch

from clip_caer.learning.segments import centre_frames, draw_frames


def test_centres_of_segments():
    frames = centre_frames(torch.tensor([4, 30, 3]), 4)
    assert frames.tolist() == [[0, 1, 2, 3], [3, 11, 18, 26], [0, 1, 1, 2]]


def test_drawn_frames_are_in_order_in_their_segment_and_reach_both_ends():
    length = torch.tensor([31, 16, 5]).repeat_interleave(300)
    frames = draw_frames(length, 16, torch.Generator().manual_seed(0))
    assert frames.shape == (900, 16)
    assert (frames.diff(dim=1) >= 0).all()
    assert (frames < length[:, None]).all()
    for n, part in zip((31, 16, 5), frames.split(300), strict=True):
        assert part.min() == 0
        assert part.max() == n - 1
    assert (frames[300:600] == torch.arange(16)).all()  # as many frames as segments: each frame once


def test_the_same_seed_draws_the_same_frames():
    draw = [draw_frames(torch.tensor([40]), 16, torch.Generator().manual_seed(s)).tolist() for s in (1, 1, 2)]
    assert draw[0] == draw[1] != draw[2]


def test_head_is_the_originals_sampling():
    """Of 31 frames the original's segments are one frame long: frames 0 to 15, always; of 33, two: frames 0 to 31."""
    generator = torch.Generator().manual_seed(0)
    assert (draw_frames(torch.tensor([31] * 50), 16, generator, "head") == torch.arange(16)).all()
    frames = draw_frames(torch.tensor([33] * 300), 16, generator, "head")
    assert (frames // 2 == torch.arange(16)).all()
    assert frames.max() == 31
    assert draw_frames(torch.tensor([3]), 5, generator, "head").tolist() == [[0, 1, 2, 2, 2]]
    assert centre_frames(torch.tensor([3, 30]), 5, "head").tolist() == [[0, 1, 2, 2, 2], [3, 9, 15, 21, 27]]
