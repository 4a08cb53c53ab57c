"""Measuring a stage beside its limit: the two in turns, so that whatever else the machine does falls on both."""

import os
import platform
import re
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import torch

CPUINFO = "/proc/cpuinfo"


def compare(
    name: str, limit: Callable[[], Any], stage: Callable[[], Any], repeats: int, count: int, unit: str, **about: Any
) -> dict[str, Any]:
    """Run both once to warm up, then `repeats` times in turns; how long they took, and limit : stage.

    count: how many `unit`s one call handles. about: what was compared, and its sizes.
    `ratio` is the median over the repeats of the limit's seconds by the stage's; `ratio_cpu` the same of the seconds of
    all cores together, which tells what is left when every core has work of its own.
    """
    limit(), stage()
    turns = [(_seconds(limit), _seconds(stage)) for _ in range(repeats)]
    wall, cpu = ([of_limit[i] / of_stage[i] for of_limit, of_stage in turns] for i in (0, 1))
    return {
        "name": name,
        **about,
        "count": count,
        "unit": unit,
        "repeats": repeats,
        "limit": _summary([of_limit for of_limit, _ in turns], count),
        "stage": _summary([of_stage for _, of_stage in turns], count),
        "ratio": round(statistics.median(wall), 4),
        "ratio_spread": [round(min(wall), 4), round(max(wall), 4)],
        "ratio_cpu": round(statistics.median(cpu), 4),
    }


def time_alone(name: str, stage: Callable[[], Any], repeats: int, **about: Any) -> dict[str, Any]:
    """How long something takes that has no limit to be held against."""
    return {"name": name, **about, "repeats": repeats, "stage": _summary([_seconds(stage) for _ in range(repeats)], 1)}


def _seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Of the clock, and of this process and its ended children on all cores."""
    clock, used = time.perf_counter(), _used()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - clock, _used() - used


def _used() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def _summary(samples: list[tuple[float, float]], count: int) -> dict[str, float]:
    wall = [of_clock for of_clock, _ in samples]
    return {
        "seconds": round(statistics.median(wall), 4),
        "seconds_spread": [round(min(wall), 4), round(max(wall), 4)],
        "cpu_seconds": round(statistics.median(cpu for _, cpu in samples), 4),
        "per_second": round(count / statistics.median(wall), 2),
    }


def conditions(packages: Mapping[str, str], device: str, quick: bool) -> dict[str, Any]:
    """Under which a measurement was taken. packages: {what it rests on: version}."""
    return {
        "quick": quick,
        "date": time.strftime("%Y-%m-%d %H:%M:%S%z"),
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "device": device_name(device),
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
        "torch_threads": torch.get_num_threads(),
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **packages},
    }


def versions(*packages: str) -> dict[str, str]:
    """{package: version} of what is installed."""
    return {package: version(package) for package in packages}


def cpu_name() -> str:
    with open(CPUINFO) as lines:
        names = re.findall(r"^model name\s*: (.*)$", lines.read(), re.MULTILINE)
    return re.sub(r"\((R|TM)\)", "", names[0]) if names else platform.machine()


def device_name(device: str) -> str:
    """Of the GPU where one is used, else of the CPU."""
    return torch.cuda.get_device_name() if device == "cuda" else cpu_name()


def file_name(stage: str, device: str, packages: Mapping[str, str]) -> str:
    """{stage}-{cpu or gpu name}-{versions}.json, fit for any file system."""
    parts = [stage, device_name(device), *(f"{package} {number}" for package, number in packages.items())]
    return "-".join(re.sub(r"[^A-Za-z0-9.+]+", "_", part).strip("_") for part in parts) + ".json"
