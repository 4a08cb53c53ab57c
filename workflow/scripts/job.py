"""What every script does around its work: keep the log, tell the user, leave a record."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clip_caer.errors import UserError, refused
from clip_caer.interruptions import end_with
from clip_caer.tracking.records import Record, recording


@contextmanager
def job(snakemake) -> Iterator[Callable[[object], None]]:
    """Print into the rule's log; end with a UserError's own words, in the log and on the terminal.

    Gives a function that tells the user something there.
    """
    end_with(int(os.environ["SNAKEMAKE_PROCESS"]))
    terminal = os.dup(2)

    def tell(text: object) -> None:
        os.write(terminal, f"\n{snakemake.rule}: {text}\n\n".encode(errors="backslashreplace"))
        with suppress(OSError):  # the log may lie on a disk that is full
            print(text, file=sys.stderr, flush=True)

    with open(snakemake.log[0], "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield tell
        except (UserError, OSError) as error:
            told = error if isinstance(error, UserError) else refused(error, snakemake.log[0])
            if told is None:
                raise
            tell(told)
            sys.exit(1)


@contextmanager
def recorded(snakemake, path: str, run_key: str, **more) -> Iterator[Record]:
    """A record of this step at `path`; a failure is recorded too, where snakemake does not delete it.

    run_key: step/coordinates@fingerprint; people are shown its readable part: "train · fused · official · seed 1".
    """
    coordinates, _, fingerprint = run_key.rpartition("@")
    step, *_ = coordinates.split("/")
    failures = Path(snakemake.config["results"], "failures")
    about = {"step": step, "name": coordinates.replace("/", " · "), "run_key": run_key, "fingerprint": fingerprint}
    with recording(path, failures=failures, **about, **more) as record:
        yield record
