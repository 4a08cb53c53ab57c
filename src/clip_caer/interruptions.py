"""What a killed run leaves behind: nothing to unlock, no process, no half-written file."""

import ctypes
import fcntl
import os
import shutil
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import IO

from clip_caer.errors import UserError, refused
from clip_caer.files import is_unfinished

_PR_SET_PDEATHSIG = 1
_claimed = []  # open files: each holds its lock as long as this process lives


def claim(results: str | Path) -> None:
    """Keep every other run out of a folder of results until this process ends, and clear what killed ones left there.

    The kernel holds the lock and drops it with the process, however that ends; so there is never anything to unlock.
    Raises UserError that names the run that is at work there, or if nothing can be written there.
    """
    results = Path(results)
    try:
        results.mkdir(parents=True, exist_ok=True)
        lock = open(results / "run.lock", "a+", encoding="utf-8")  # noqa: SIM115
        if not _locked(lock):
            lock.seek(0)
            raise UserError(
                f"Another run is at work in {results.absolute()}: {lock.read().strip()}. "
                "Wait for its end, stop it, or give this one a folder of its own (results: FOLDER)."
            )
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}, since {datetime.now():%Y-%m-%d %H:%M:%S}\n")
        lock.flush()
    except OSError as error:
        raise refused(error, results) or error from error
    _claimed.append(lock)
    clear_unfinished(results)


def clear_unfinished(results: str | Path) -> None:
    """Remove what killed jobs left half-written. To be called while no job is at work."""
    for folder, below, _ in os.walk(results):
        for name in filter(is_unfinished, list(below)):
            shutil.rmtree(Path(folder, name), ignore_errors=True)
            below.remove(name)


def _locked(file: IO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def end_with(process: int) -> None:
    """Let the kernel kill this process as soon as its parent `process` dies; end now if that is dead already.

    A job that lives on alone would write where the next run works.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        sys.exit("The run that started this job is gone.")
