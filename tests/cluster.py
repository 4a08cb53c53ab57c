"""A SLURM of one node for tests: Debian's packages, started in a folder, without systemd, cgroups or accounting."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from debian import install

PACKAGES = ["munge", "slurm-client", "slurmctld", "slurmd"]
PROGRAMS = ["munged", "sbatch", "slurmctld", "slurmd"]

# jobacct_gather kills a job that takes more memory than it asked for, as cgroups do on a cluster.
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
MpiDefault=none
KillWait=5
MinJobAge=300
GresTypes=gpu
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 Gres=gpu:1 RealMemory=64000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why there can be no cluster here; None if there can. Installs what is missing, where that is possible."""
    if os.geteuid() != 0:
        return "a SLURM is started by root"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if not missing:
        return None
    failed = install(*PACKAGES)
    return failed and f"there is no {', '.join(missing)}: {failed}"


@contextmanager
def running_cluster() -> Iterator[None]:
    """A cluster that this process and its children talk to; its node has two CPUs and pretends to have a GPU."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)))
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir()
        host = socket.gethostname().partition(".")[0]
        config, key = folder / "slurm.conf", folder / "munge.key"
        config.write_text(CONFIG.format(folder=folder, host=host, ports=free_ports(2)))
        (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File=/dev/null\n")
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "log", "pid", "seed")]
        srun = folder / "bin/srun"  # snakemake calls it without the variable
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={config} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        path = f"{srun.parent}:{os.environ['PATH']}"
        stack.enter_context(patch.dict(os.environ, SLURM_CONF=str(config), PATH=path))
        for daemon in (
            ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D"],
        ):
            process = subprocess.Popen(daemon, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(stop, process)
        wait_for_node(folder)
        yield


def free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for_node(folder: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        asked = ["timeout", "5", "sinfo", "--noheader", "--format=%T"]  # a dead controller is waited for
        if "idle" in subprocess.run(asked, capture_output=True, text=True).stdout:
            return
        time.sleep(0.2)
    logs = [path.read_text() for path in folder.glob("*.log")]
    raise RuntimeError("SLURM does not start:\n" + "\n".join(logs))


def stop(daemon: subprocess.Popen) -> None:
    daemon.terminate()
    daemon.wait(30)
