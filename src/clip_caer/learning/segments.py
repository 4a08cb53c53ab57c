"""Which frames of a clip the model sees: one from each of equal segments, over the whole clip, in true order."""

import torch


def draw_frames(length: torch.Tensor, segments: int, generator: torch.Generator, sampling: str = "whole"):
    """One random frame from each segment, for training: int64 [clips, segments], from 0.

    length: frames of each clip, int64 [clips]. A clip with fewer frames than segments shows some of them twice.
    sampling: `whole`: the segments cover the clip. `head`: as in the original, segments of `length // segments` frames
    from the clip's start: of 31 frames, the last 15 are never drawn.
    """
    drawn = torch.rand(len(length), segments, generator=generator)
    if sampling == "head":
        segment = (length // segments)[:, None]
        frames = torch.arange(segments) * segment.clamp(min=1) + (drawn * segment).long()
    else:
        frames = ((torch.arange(segments) + drawn) * length[:, None] / segments).long()
    return frames.clamp(max=length[:, None] - 1)


def centre_frames(length: torch.Tensor, segments: int, sampling: str = "whole") -> torch.Tensor:
    """The middle frame of each segment, for evaluation: int64 [clips, segments], from 0.

    sampling: as for training; with `head`, a clip with no more frames than segments shows its last one again and again.
    """
    frames = ((torch.arange(segments) + 0.5) * length[:, None] / segments).long()
    if sampling == "head":
        in_a_row = torch.arange(segments).clamp(max=length[:, None] - 1)
        frames = torch.where(length[:, None] > segments, frames, in_a_row)
    return frames
