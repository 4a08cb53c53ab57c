"""What every script does around its work: keep the log, tell the user, leave a record."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_caer.errors import UserError
from clip_caer.records import Record, recording


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Print into the rule's log; end with a UserError's own words, in the log and on the terminal."""
    terminal = os.dup(2)
    with open(snakemake.log[0], "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        except UserError as error:
            os.write(terminal, f"\n{snakemake.rule}: {error}\n\n".encode())
            print(error, file=sys.stderr)
            sys.exit(1)


@contextmanager
def recorded(snakemake, path: str, coordinates: str, fingerprint: str, **more) -> Iterator[Record]:
    """A record of this step at `path`; a failure is recorded too, where snakemake does not delete it.

    coordinates: what tells this run from others of its step, for people: "fused · official · seed 1", or "".
    """
    step = more.pop("step", snakemake.rule)
    name = f"{step} · {coordinates}" if coordinates else step
    run_key = f"{step}/{coordinates.replace(' · ', '/')}@{fingerprint}"
    failures = Path(snakemake.config["results"], "failures")
    with recording(
        path, step=step, name=name, run_key=run_key, fingerprint=fingerprint, failures=failures, **more
    ) as r:
        yield r
