"""Run trackers as one logs to them: ours, and the peers that are installed (``pip install 'flowtime[peers]'``).

Every tracker is used as its documentation says, with its defaults, but without network, figures of the GPU (ours
samples the machine, as it does by default), and version control.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["PEERS", "TRACKERS", "Opened", "Tracker", "list_page", "missing_peers"]

PROJECT = "peers"
_LENGTH = struct.Struct("<Q")
# Of a record of TensorBoard: length, checksum, data, checksum.
_AROUND = 16


@dataclass(frozen=True)
class Opened:
    """A run that goes on: ``log(row, value)`` logs one scalar, ``finish()`` ends the run."""

    log: Callable[[int, float], object]
    finish: Callable[[], object]


@dataclass(frozen=True)
class Tracker:
    """One tracker.

    ``module`` is what a program imports of it.  ``begin(folder)`` begins a run below a folder; ``count(folder)`` says
    how many scalars can be read there, by another process too; ``list_runs(folder)`` lists all runs there and says
    how many they are, None where the tracker has no such thing.
    """

    name: str
    module: str
    begin: Callable[[Path], Opened]
    count: Callable[[Path], int]
    list_runs: Callable[[Path], int] | None = None

    @property
    def reason_missing(self) -> str | None:
        """Why it can not be measured; None where it can."""
        found = importlib.util.find_spec(self.module.partition(".")[0])
        return None if found is not None else f"{self.name}: {self.module} is not installed"


# --- ours -----------------------------------------------------------------------------------------------------------


def _begin_flowtime(folder: Path) -> Opened:
    import flowtime

    run = flowtime.track(PROJECT, root=folder).start()
    log = run.log

    def log_one(_row: int, value: float) -> None:
        log(loss=value)

    return Opened(log_one, run.finish)


def _count_flowtime(folder: Path) -> int:
    from flowtime.tracking.log.scalar_reader import read_scalars

    logs = [read_scalars(path) for path in folder.iterdir() if (path / "tracking").is_dir()]
    return sum(len(found["loss"].values) for found in logs if "loss" in found)


def list_page(folder: Path, size: int) -> int:
    """List the newest runs of ours."""
    from flowtime.runs.query import RunQuery
    from flowtime.tracking.live.live_runs import open_registry

    with open_registry(folder, clock=lambda: datetime.now(UTC)) as registry:
        return len(registry.page(RunQuery(page_size=size)).items)


def _list_flowtime(folder: Path) -> int:
    from flowtime.runs.query import RunQuery
    from flowtime.tracking.live.live_runs import open_registry

    listed = 0
    with open_registry(folder, clock=lambda: datetime.now(UTC)) as registry:
        while True:
            page = registry.page(RunQuery(page=1 + listed // 200, page_size=200))
            listed += len(page.items)
            if len(page.items) < 200:
                return listed


# --- peers ----------------------------------------------------------------------------------------------------------


def _begin_trackio(folder: Path) -> Opened:
    # Read once, when it is imported: in one process all runs are in the first folder.
    os.environ.setdefault("TRACKIO_DIR", str(folder))
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        import trackio

        run = trackio.init(project=PROJECT, auto_log_gpu=False, auto_log_cpu=False)

    def finish() -> None:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            run.finish()

    return Opened(lambda _row, value: run.log({"loss": value}), finish)


def _count_trackio(folder: Path) -> int:
    return _rows(folder / f"{PROJECT}.db")


def _list_trackio(folder: Path) -> int:
    os.environ.setdefault("TRACKIO_DIR", str(folder))
    import trackio

    return len([run.name for run in trackio.Api().runs(PROJECT)])


def _begin_mlflow(folder: Path) -> Opened:
    mlflow = _mlflow(folder)
    mlflow.set_experiment(PROJECT)
    mlflow.start_run()
    return Opened(lambda row, value: mlflow.log_metric("loss", value, step=row), mlflow.end_run)


def _count_mlflow(folder: Path) -> int:
    return _rows(folder / "mlflow.db")


def _list_mlflow(folder: Path) -> int:
    mlflow = _mlflow(folder)
    return len(mlflow.search_runs(search_all_experiments=True, max_results=50_000, output_format="list"))


def _mlflow(folder: Path):  # type: ignore[no-untyped-def]  # a module that may not be there
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import logging

    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    return mlflow


def _begin_dvclive(folder: Path) -> Opened:
    os.environ.setdefault("DVC_NO_ANALYTICS", "true")
    from dvclive import Live

    live = Live(dir=str(folder / "live"), save_dvc_exp=False, dvcyaml=None, report=None)

    def log(row: int, value: float) -> None:
        live.step = row
        live.log_metric("loss", value)

    return Opened(log, live.end)


def _count_dvclive(folder: Path) -> int:
    lines = (folder / "live" / "plots" / "metrics" / "loss.tsv").read_bytes().splitlines()
    return max(0, len(lines) - 1)  # the first names the columns


def _begin_tensorboardx(folder: Path) -> Opened:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder / "events"))
    return Opened(lambda row, value: writer.add_scalar("loss", value, row), writer.close)


def _count_tensorboardx(folder: Path) -> int:
    """Count whole records but the first, which says the version."""
    data = b"".join(path.read_bytes() for path in sorted((folder / "events").iterdir()))
    at, count = 0, 0
    while at + _LENGTH.size <= len(data):
        at += _LENGTH.unpack_from(data, at)[0] + _AROUND
        count += at <= len(data)
    return max(0, count - 1)


def _rows(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        try:
            return int(connection.execute("select count(*) from metrics").fetchone()[0])
        except sqlite3.OperationalError:
            # Killed before the table was made.
            return 0


TRACKERS = (
    Tracker("flowtime", "flowtime.tracking", _begin_flowtime, _count_flowtime, _list_flowtime),
    Tracker("trackio", "trackio", _begin_trackio, _count_trackio, _list_trackio),
    Tracker("mlflow", "mlflow", _begin_mlflow, _count_mlflow, _list_mlflow),
    Tracker("dvclive", "dvclive", _begin_dvclive, _count_dvclive),
    Tracker("tensorboardX", "tensorboardX", _begin_tensorboardx, _count_tensorboardx),
)
"""All trackers, ours first."""

PEERS = TRACKERS[1:]


def missing_peers() -> tuple[str, ...]:
    """Return why each peer that can not be measured can not be."""
    return tuple(peer.reason_missing for peer in PEERS if peer.reason_missing is not None)
