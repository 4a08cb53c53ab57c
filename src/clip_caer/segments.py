"""Which frames of a clip the model sees: one from each of equal segments, over the whole clip, in true order."""

import torch


def draw_frames(length: torch.Tensor, segments: int, generator: torch.Generator) -> torch.Tensor:
    """One random frame from each segment, for training: int64 [clips, segments], from 0.

    length: frames of each clip, int64 [clips]. A clip with fewer frames than segments shows some of them twice.
    The original takes `length // segments` frames a segment from the clip's start: of 30 frames, the last 14 are never
    seen.
    """
    position = torch.arange(segments) + torch.rand(len(length), segments, generator=generator)
    return (position * length[:, None] / segments).long().clamp(max=length[:, None] - 1)


def centre_frames(length: torch.Tensor, segments: int) -> torch.Tensor:
    """The middle frame of each segment, for evaluation: int64 [clips, segments], from 0."""
    position = torch.arange(segments) + 0.5
    return (position * length[:, None] / segments).long()
