"""Measure stages beside their limits, and write a file for each: `make bench`.

python benchmarks/run.py [STAGE ...] [--quick] [--to FOLDER]
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch

from clip_caer.files import write_json
from measuring import conditions, file_name

STAGES = ("extraction", "detection", "features", "training", "epoch", "planning")


def main(stages: Sequence[str], quick: bool, to: Path) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    for name in stages:
        stage = import_module(name)
        about = conditions(stage.packages(), device, quick)
        found = []
        with tempfile.TemporaryDirectory() as work:
            for one in stage.measure(Path(work), quick, device):
                print(f"  {tell(one)}", flush=True)  # at once: a run that is cut short has told so much
                found.append(one)
        about["load_average_after"] = [round(load, 2) for load in os.getloadavg()]
        path = to / file_name(name, device, stage.packages())
        write_json({"stage": name, "about": stage.__doc__.strip(), "conditions": about, "measured": found}, path)
        print(f"{path}\n")


def tell(one: dict) -> str:
    """One line of what was measured."""
    told = [f"{one['name']}: {one['stage']['seconds']:.2f} s"]
    if "unit" in one:
        told.append(f"{one['stage']['per_second']:,.0f} {one['unit']} a second")
    told += [f"{key.replace('_', ' ')} {one[key]}" for key in one if key.startswith(("ratio", "times", "goal"))]
    return ", ".join(told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure stages beside their limits.")
    parser.add_argument(
        "stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)}; all of them if none is named"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not for figures")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, help="folder of the files")
    given = parser.parse_args()
    if unknown := set(given.stages) - set(STAGES):
        parser.error(f"there is no stage {', '.join(sorted(unknown))}; expected one of {', '.join(STAGES)}")
    main(given.stages or STAGES, given.quick, given.to)
