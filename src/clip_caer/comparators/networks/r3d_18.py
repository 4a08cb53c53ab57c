"""torchvision's 3D ResNet-18 on crops; see clip_caer.comparators.r3d_18."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from clip_caer import torchvision_on_cpu  # noqa: F401  (before torchvision)

from torchvision.models.video import r3d_18  # isort: skip

SIZE = 112  # pixels; larger crops are scaled down, smaller ones are left as they are
MEAN, STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)  # of Kinetics, as torchvision trains it


class R3D18(nn.Module):
    """Logits from crops: a network for each view, and a linear classifier on what they give."""

    def __init__(self, views: Sequence[str], classes: int):
        super().__init__()
        networks = {view: r3d_18(weights=None) for view in views}
        self.classifier = nn.Linear(sum(network.fc.in_features for network in networks.values()), classes)
        for network in networks.values():
            network.fc = nn.Identity()
        self.networks = nn.ModuleDict(networks)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1) * 255, persistent=False)

    def forward(self, crops: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """crops uint8 [B, T, 3, S, S] and found bool [B, T] of each view → logits [B, K]."""
        seen = [network(self._video(crops[view], found[view])) for view, network in self.networks.items()]
        return self.classifier(torch.cat(seen, dim=1))

    def _video(self, crops: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """→ float32 [B, 3, T, S, S], S at most SIZE, a frame that is not found at the mean colour."""
        pictures = crops.flatten(0, 1).float()
        if pictures.shape[-1] > SIZE:
            pictures = nn.functional.interpolate(pictures, SIZE, mode="area")
        pictures = (pictures - self.mean) / self.std * found.flatten()[:, None, None, None]
        return pictures.unflatten(0, found.shape).transpose(1, 2)

    def parts(self) -> dict[str, nn.Module]:
        """What learns, by the names of the learning rates."""
        return {"encoder": self.networks, "fusion": self.classifier}
