"""A worker process as the driver sees it: requests in, answers out, killed when it stays silent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, NamedTuple

from flowtime.errors import PerfError
from flowtime.settings import NO_SETTINGS

__all__ = ["CaseFailure", "Side", "WorkerProcess"]

WORKER = Path(__file__).with_name("worker.py")
TAIL_CHARACTERS = 2000
# One thread each: on two cores helpers would get in each other's way, and their time is not seen.
SINGLE_THREADED = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
# Set by people for their shells; each would make a start something that no user pays for.
DROPPED = frozenset(
    {"PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME", "PYTHONTRACEMALLOC", "PYTHONDEVMODE"}
    # What is measured is nobody's child run, and does what it does unasked.
    | NO_SETTINGS
)


class CaseFailure(Exception):
    """What a worker said of a case that it could not time; ``kind`` is absent, raised, wrong or stray."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Side(NamedTuple):
    """One side of a comparison: what its workers run, and where.

    ``root`` is the checkout, ``paths`` the folders that packages come from; ``slow`` adds that share to every call of
    a case, for checks of the gate itself.
    """

    name: str
    root: Path
    paths: tuple[Path, ...]
    cases_root: Path
    registry: str | None
    cache: Path
    python: str = sys.executable
    slow: float = 0.0

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of its workers: its own code and caches, one thread, one hash seed."""
        kept = {name: value for name, value in environ.items() if name not in DROPPED}
        return {
            **kept,
            **dict.fromkeys(SINGLE_THREADED, "1"),
            "PYTHONPATH": os.pathsep.join(map(str, self.paths)),
            # Another seed is another order of sets, and so another amount of work.
            "PYTHONHASHSEED": "0",
            "NUMBA_CACHE_DIR": str(self.cache / "numba"),
            "FLOWTIME_KERNEL_CACHE_DIR": str(self.cache / "kernels"),
        }

    def config(self) -> dict[str, Any]:
        """Return what its workers are told at their start."""
        return {
            "registry": self.registry,
            "root": str(self.root),
            "paths": [str(path) for path in self.paths],
            "cases_root": str(self.cases_root),
            "slow": self.slow,
        }


class WorkerProcess:
    """One live worker.  Leaving the context kills it; so does an answer that takes longer than ``timeout_s``.

    ``ask`` sends a request and waits; ``send`` and ``receive`` let several workers get ready at once.
    """

    def __init__(self, side: Side, folder: Path, *, timeout_s: float, environ: Mapping[str, str]) -> None:
        self.side = side
        self._timeout_s = timeout_s
        self._log = (folder / f"{side.name}-{os.urandom(4).hex()}.log").open("w+b")
        try:
            self._process = subprocess.Popen(
                # -P: the folder of the script holds modules called `suite` and `report`, which must shadow nothing.
                [side.python, "-P", str(WORKER)],
                cwd=side.root,
                env=side.environment(environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                encoding="utf-8",
            )
        except OSError as error:
            self._log.close()
            raise PerfError(f"no worker could be started: {error.strerror}", code="perf.worker") from error
        self._watchdog = _Watchdog(self._process, timeout_s)
        self.send("start", **side.config())

    def __enter__(self) -> WorkerProcess:
        """Nothing to do: it runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, by its own will if it can."""
        self._watchdog.stop()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _close(pipe)
        # Nobody waits for a worker in the middle of something that has failed.
        if kind is None:
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
        else:
            self._process.kill()
        self._process.wait()
        self._log.close()

    def ask(self, operation: str, **words: Any) -> Any:
        """Send a request and return the answer.  Raises CaseFailure, or PerfError where the worker died."""
        self.send(operation, **words)
        return self.receive()

    def send(self, operation: str, **words: Any) -> None:
        """Send a request; its answer must be received before the next one is sent."""
        self._watchdog.begin()
        stdin = self._process.stdin
        try:
            if stdin is not None:
                stdin.write(json.dumps({"op": operation, **words}) + "\n")
                stdin.flush()
        except OSError as error:
            raise self._death() from error

    def receive(self) -> Any:
        """Wait for the answer to the last request."""
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None else ""
        self._watchdog.end()
        if not line.endswith("\n"):
            raise self._death()
        answer = json.loads(line)
        if "error" in answer:
            raise CaseFailure(**answer["error"])
        return answer["ok"]

    def _death(self) -> PerfError:
        status = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode("utf-8", "replace").strip()[-TAIL_CHARACTERS:]
        if self._watchdog.has_fired:
            message = f"the worker of the {self.side.name} gave no answer for {self._timeout_s:g} s"
        else:
            message = f"the worker of the {self.side.name} died with status {status}"
        return PerfError(message, code="perf.worker", hint=said or None)


class _Watchdog:
    """Kills a process that leaves a question unanswered for too long; a pipe alone can not time out."""

    def __init__(self, process: subprocess.Popen[str], timeout_s: float) -> None:
        self.has_fired = False
        self._process = process
        self._timeout_s = timeout_s
        self._deadline = float("inf")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="perf-watchdog", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """A question was asked."""
        self._deadline = monotonic() + self._timeout_s

    def end(self) -> None:
        """It was answered."""
        self._deadline = float("inf")

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        # Seldom, since it runs beside what is measured.
        while not self._stopped.wait(min(1.0, self._timeout_s / 2)):
            if monotonic() > self._deadline:
                self.has_fired = True
                self._process.kill()
                return


def _close(pipe: Any) -> None:
    """Close a pipe to a process that may be gone: what could not be written is of no use to it."""
    with suppress(OSError):
        pipe.close()
