"""Packages that tests need and a Debian can install, where we may."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock


def install(*packages: str) -> str | None:
    """Why the packages could not be installed; None if they were. Workers wait for each other: apt-get does not."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "packages are installed by root, with apt-get"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with FileLock(Path(tempfile.gettempdir()) / "clip-caer-tests-apt.lock"):
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            apt = ["timeout", "300", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60", *command]
            done = subprocess.run(apt, env=environment, capture_output=True, text=True)
            if done.returncode:
                return f"apt-get {command[0]} fails: {done.stderr.strip()[-200:] or f'exit code {done.returncode}'}"
    return None
