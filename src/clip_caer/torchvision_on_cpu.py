"""Make `import torchvision` work beside a CPU build of torch.

The registry's torchvision wheel is built for CUDA. Beside a CPU torch its extension does not load, and then its own
`register_fake("torchvision::nms")` fails, and with it open_clip and retinaface. Importing this module first declares
the missing operators and gives `nms` a plain implementation. Where the extension loads, it does nothing.

Every module that imports torchvision, or a package that does, imports this one before.
"""

import sys

import torch

_library: torch.library.Library | None = None  # operators live as long as their library does


def _nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression: indices of the kept boxes, best score first."""
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    kept, alive = [], torch.ones(len(boxes), dtype=torch.bool)
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        kept.append(i)
        overlap = (torch.minimum(boxes[i, 2:], boxes[:, 2:]) - torch.maximum(boxes[i, :2], boxes[:, :2])).clamp(min=0)
        shared = overlap.prod(dim=1)
        alive &= shared / (area[i] + area - shared) <= iou_threshold
    return order[torch.tensor(kept, dtype=torch.long)]


def _declare_missing_operators() -> None:
    global _library
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.impl("nms", _nms, "CPU")


try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms does not exist" not in str(error):
        raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    _declare_missing_operators()
    import torchvision

    torchvision.extension._has_ops = lambda: True  # ops.nms asks; ours answers
