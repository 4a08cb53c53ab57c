"""What the benchmarks work on: a video of a drawn student, a CLIP of random weights, a preset of the workflow."""

from itertools import cycle, islice
from pathlib import Path

import ffmpeg
import yaml
from safetensors.torch import save_file

from clip_caer import torchvision_on_cpu  # noqa: F401  (before open_clip)
from clip_caer.configuration.settings import complete
from clip_caer.demo.dataset import draw_clip, plan_clips
from clip_caer.files import write_json

import open_clip  # isort: skip

TINY = "local-dir:workflow/demo/tiny-clip"
VIT = "ViT-B-32-quickgelu"


def write_video(path: Path, width: int, height: int, n_frames: int, ffmpeg_path: str) -> Path:
    """A drawn student as a webcam with noise would see them: H.264, 25 frames a second."""
    (plan,) = islice(plan_clips(4, 15, seed=1), 1)
    drawn = list(islice(draw_clip(plan, seed=1), n_frames))
    size = f"{drawn[0].shape[1]}x{drawn[0].shape[0]}"
    stream = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=size, r=25)
    stream = stream.filter("scale", width, height).filter("noise", alls=4, allf="t").filter("format", "yuv420p")
    output = stream.output(str(path), vcodec="libx264", crf=23, preset="fast", color_range="tv")
    command = output.global_args("-loglevel", "error").overwrite_output()
    command.run(cmd=ffmpeg_path, input=b"".join(frame.tobytes() for frame in islice(cycle(drawn), n_frames)))
    return path


def write_clip(folder: Path) -> str:
    """ViT-B/32 with random weights, saved as open_clip's local folder; its name for the config."""
    folder.mkdir()
    clip = open_clip.create_model(VIT)
    preprocess = {"mean": clip.visual.image_mean, "std": clip.visual.image_std}
    config = {"model_cfg": open_clip.get_model_config(VIT), "preprocess_cfg": preprocess}
    write_json(config, folder / "open_clip_config.json")
    tensors = {name: tensor.contiguous() for name, tensor in clip.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def read_preset(name: str) -> dict:
    """A preset of the workflow, with all defaults."""
    config = yaml.safe_load(Path(f"workflow/presets/{name}.yaml").read_text())
    return complete(config, "workflow/schemas/config.schema.yaml")
