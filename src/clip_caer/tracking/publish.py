"""Records become MLflow runs.

MLflow is a view of the records: one run for each, known by its tag `run_key`. Publishing again adds what is new,
replaces what has changed or was left half done, and keeps the rest. So it can be done after every stage, and a deleted
database comes back whole.
"""

import json
import logging
import os
import posixpath
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

# Read by MLflow when it is imported. A server that does not answer is given up after half a minute, not an hour.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from alembic.util import CommandError
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from clip_caer.errors import UserError
from clip_caer.files import atomic
from clip_caer.fingerprints import fingerprint
from clip_caer.tracking.address import hide_secrets, without_secrets
from clip_caer.tracking.records import Record, read_records

log = logging.getLogger(__name__)

PARENT = "mlflow.parentRunId"
UNUSABLE = (MlflowException, SQLAlchemyError, CommandError, OSError, ImportError)  # raised where MLflow cannot be used
_METRICS_A_CALL, _PARAMS_A_CALL = 1000, 100  # MLflow's limits, and below
_KEY, _VALUE, _DIGEST = 250, 5000, 36  # characters


class Published(NamedTuple):
    """How many runs were made, left as they were, and made anew."""

    new: int
    kept: int
    replaced: int


def publish(results: str | Path, experiment: str, uri: str | None = None) -> Published:
    """Publish all records below `results` to MLflow; several processes may do so at once.

    experiment: MLflow's name of the experiment.
    uri: a tracking server or database; None: `mlflow.db` and `mlflow-artifacts` in `results`.
    A damaged database in `results` is set aside as mlflow.db.damaged, and made anew from the records.
    Raises UserError when MLflow cannot be reached or written to.
    """
    results = Path(results).resolve()
    if not results.is_dir():
        raise UserError(f"There is nothing to publish: {results} is not a folder. Run the experiment first.")
    database = results / "mlflow.db"
    try:
        with quiet(), FileLock(results / "mlflow.lock"):
            client = MlflowClient(uri or _database(database))
            try:
                return _publish(client, experiment, results, uri)
            except MlflowException:
                if uri or database.exists():
                    raise
                _database(database)  # somebody has deleted it just now
                client._tracking_client.store.engine.dispose()  # which still writes to the one that is gone
                return _publish(client, experiment, results, uri)
    except UNUSABLE as error:
        complaint = unusable(error, uri, "`tracking.uri`") if uri else _unwritable(error, database)
        raise complaint from None  # what is chained may show a password


def _publish(client: MlflowClient, experiment: str, results: Path, uri: str | None) -> Published:
    experiment_id = _open_experiment(client, experiment, results, shared=uri is not None)
    records = read_records(results)
    existing = _runs_by_key(client, experiment_id)
    run_ids = {key: runs[0].info.run_id for key, runs in existing.items()}
    new = kept = replaced = 0
    for record in _parents_first(records):
        old = existing.get(record.run_key, [])
        digest = fingerprint(asdict(record) | {"parent": None})  # a link is mended in place
        parent_id = run_ids.get(record.parent)
        same = [run for run in old if run.info.status == record.status and run.data.tags.get("digest") == digest]
        if same:
            kept += 1
            run_id = same[0].info.run_id
            if parent_id and same[0].data.tags.get(PARENT) != parent_id:
                client.set_tag(run_id, PARENT, parent_id)
        else:
            new, replaced = new + (not old), replaced + bool(old)
            run_id = _create(client, experiment_id, record, results, digest, parent_id)
        for run in old:
            if run.info.run_id != run_id:
                client.delete_run(run.info.run_id)
        run_ids[record.run_key] = run_id
    return Published(new, kept, replaced)


def _create(
    client: MlflowClient, experiment_id: str, record: Record, results: Path, digest: str, parent_id: str | None
) -> str:
    """One complete run; until the last line it counts as running, and is replaced if it stays so."""
    tags = {
        "run_key": record.run_key,
        "digest": digest,
        "step": record.step,
        "fingerprint": record.fingerprint,
        PARENT: parent_id,
        "mlflow.source.git.commit": record.git_commit,
        "git_dirty": record.git_dirty,
        "mlflow.note.content": record.error,
        **{f"version/{package}": version for package, version in record.versions.items()},
        **record.tags,
    }
    tags = {_name(key): _text(value) for key, value in tags.items() if value is not None}
    run_id = client.create_run(experiment_id, record.started, tags, record.name).info.run_id

    params = [Param(_name(key), _text(value)) for key, value in record.params.items()]
    for start in range(0, len(params), _PARAMS_A_CALL):
        client.log_batch(run_id, params=params[start : start + _PARAMS_A_CALL])
    metrics = _metrics(record)
    for start in range(0, len(metrics), _METRICS_A_CALL):
        client.log_batch(run_id, metrics=metrics[start : start + _METRICS_A_CALL])
    if record.datasets:
        client.log_inputs(run_id, _datasets(record))
    files = [path for path in (results / artifact for artifact in record.artifacts) if path.exists()]
    folder = os.path.commonpath([path.parent for path in files]) if files else results
    for path in files:
        below = path.parent.relative_to(folder).as_posix()
        client.log_artifact(run_id, str(path), None if below == "." else below)

    client.set_terminated(run_id, record.status, record.ended)
    return run_id


def _metrics(record: Record) -> list[Metric]:
    """The curves, then the final numbers at the curves' last step. Unknown numbers (null) are left out."""
    curves = [(point["step"], key, value) for point in record.history for key, value in point["metrics"].items()]
    last = max((step for step, _, _ in curves), default=0)
    return [Metric(_name(key), value, record.started, step) for step, key, value in curves if value is not None] + [
        Metric(_name(key), value, record.ended, last)
        for key, value in (record.counts | record.metrics).items()
        if value is not None
    ]


def _datasets(record: Record) -> list[DatasetInput]:
    roles: dict[tuple[str, str], list[str]] = {}  # MLflow takes a dataset once a run
    for dataset in record.datasets:
        roles.setdefault((dataset["name"], dataset["digest"][:_DIGEST]), []).append(dataset["role"])
    return [
        DatasetInput(
            Dataset(name, digest, source_type="local", source=json.dumps({"uri": name})),
            [InputTag("mlflow.data.context", ", ".join(roles[name, digest]))],
        )
        for name, digest in roles
    ]


def _runs_by_key(client: MlflowClient, experiment_id: str) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {}
    page_token = None
    while True:
        page = client.search_runs([experiment_id], max_results=1000, page_token=page_token)
        for run in page:
            if key := run.data.tags.get("run_key"):
                runs.setdefault(key, []).append(run)
        page_token = page.token
        if not page_token:
            return runs


def _database(path: Path) -> str:
    """Address of our own database. It is made aside and then moved: a half-made one could never be opened again."""
    if path.exists() and _is_damaged(path):
        log.warning("%s is damaged. It is kept as %s.damaged, and made anew from the records.", path, path.name)
        os.replace(path, f"{path}.damaged")
        Path(f"{path}-journal").unlink(missing_ok=True)
    if not path.exists():
        with atomic(path) as temporary:
            MlflowClient(f"sqlite:///{temporary}").search_experiments()
    return f"sqlite:///{path}"


def _is_damaged(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as database:
            return database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
    except sqlite3.OperationalError:  # a full disk, or the like; MLflow will say
        return False
    except sqlite3.DatabaseError:
        return True


def _open_experiment(client: MlflowClient, name: str, results: Path, shared: bool) -> str:
    """Id of the experiment, made or brought back from the bin where needed."""
    artifacts = None if client.tracking_uri.startswith("http") else (results / "mlflow-artifacts").as_uri()
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return client.create_experiment(name, artifacts)
    if not shared and experiment.artifact_location != artifacts:
        raise UserError(
            f"{results / 'mlflow.db'} keeps its artifacts in {experiment.artifact_location}: the folder of results has "
            "been moved or copied. Delete mlflow.db; it is made anew from the records."
        )
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id


def _parents_first(records: list[Record]) -> list[Record]:
    by_key = {record.run_key: record for record in sorted(records, key=lambda record: record.started)}
    parents = {key: [record.parent] if record.parent in by_key else [] for key, record in by_key.items()}
    return [by_key[key] for key in TopologicalSorter(parents).static_order()]


def _name(text: str) -> str:
    """`text` as MLflow takes it for the name of a tag, a parameter or a metric."""
    return posixpath.normpath(re.sub(r"[^\w./: -]", "_", text))[:_KEY]


def _text(value: object) -> str:
    """A string as it is, anything else as the config spells it (true, null, 0.5)."""
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:_VALUE]


def unusable(error: Exception, uri: str, given_as: str) -> UserError:
    """The message that MLflow at `uri` cannot be used, and why; without the secrets of the address."""
    shown, reason = without_secrets(uri), hide_secrets(_reason(error), uri)
    return UserError(f"MLflow at {shown} cannot be used: {reason}\nCheck {given_as}, and that the server is up.")


def _unwritable(error: Exception, database: Path) -> UserError:
    reason = _reason(error)
    cure = "Make room there" if "disk is full" in reason else "If it is damaged, delete it"
    return UserError(f"Cannot write {database}: {reason}\n{cure}; it is made anew from the records.")


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow tells of every migration of its database, and of every error before it raises it; we tell it once."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
