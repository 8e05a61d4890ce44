"""The process that is timed: ``python -P worker.py``, a line of JSON in for each line of JSON out.

Standard library only, and run by its path: it drives any version of the package under test, and that may be
flowtime itself from before this module.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter_ns
from types import ModuleType
from typing import Any, NamedTuple

__all__ = ["main"]

SCHEDSTAT = "/proc/thread-self/schedstat"
GUARD_WARM_UP = 20
REFERENCE_ROUNDS = 5
PROBE_WRITES = 20
PROBE_BYTES = b"\xa5" * (1 << 16)
# What a case says of itself, and what holds where it does not.
FIELDS: tuple[tuple[str, Any], ...] = (
    ("group", ""), ("calls_per_turn", 1), ("version", 1), ("items", 1), ("sweeps", None), ("gc", False),
    ("gate", True), ("limit_soft", 0.03), ("limit_fail", 0.05),
)  # fmt: skip
GUARD_FIELDS: tuple[tuple[str, Any], ...] = (
    ("limits_ms", {}), ("turns", 2000), ("probe", None), ("probe_limit_ms", 2.5), ("counts", {}),
)  # fmt: skip


class CaseError(Exception):
    """A case that can not be had or does not work; ``kind`` is absent, raised, wrong or stray."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Turn(NamedTuple):
    """The least time of the calls of one turn, in ns: on the wall, and net of waiting for a core."""

    wall_ns: int
    net_ns: int


class Open(NamedTuple):
    """A case that is ready: what is timed, and where it may write."""

    call: Callable[[], Any]
    folder: tempfile.TemporaryDirectory[str]


class Clock:
    """How long this thread has waited for a core so far, in ns; 0 where the system does not say (not Linux).

    ``others_ns`` adds what child processes waited, which this thread's figure can not hold.
    """

    def __init__(self) -> None:
        self.others_ns = 0
        self._file = os.open(SCHEDSTAT, os.O_RDONLY) if os.path.exists(SCHEDSTAT) else None

    def waited_ns(self) -> int:
        """Read the clock; it takes about 1 us."""
        own = 0 if self._file is None else int(os.pread(self._file, 100, 0).split()[1])
        return own + self.others_ns

    def add_child(self, pid: int) -> None:
        """Wait until a child has ended, and take over what its main thread waited; it must be reaped afterwards."""
        if self._file is None:
            return
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with suppress(OSError, ValueError, IndexError):  # no figure: the wait stays in the time
            self.others_ns += int(Path(f"/proc/{pid}/schedstat").read_bytes().split()[1])


class HeadFirst:
    """Finds one top-level package in one folder only: the cases are those of the head, whichever side is measured."""

    def __init__(self, top: str, root: str) -> None:
        self._top, self._root = top, root

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for that package; None leaves all other names to the usual finders."""
        if path is None and name == self._top:
            return importlib.machinery.PathFinder.find_spec(name, [self._root], target)
        return None


class Worker:
    """One side of a measurement: it opens cases and times turns of them."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._open: Open | None = None
        self._config: dict[str, Any] = {}
        self._compiled: list[Any] | None = None

    def answer(self, request: dict[str, Any]) -> Any:
        """Do what one request asks; a case that fails is an answer too."""
        operation = request.pop("op")
        handlers: dict[str, Callable[..., Any]] = {
            "start": self.start, "facts": self.facts, "describe": self.describe, "open": self.open, "turn": self.turn,
            "close": self.close, "guard": self.guard, "reference": self.reference,
        }  # fmt: skip
        return handlers[operation](**request)

    def start(self, **config: Any) -> dict[str, str]:
        """Take the settings of the side: registry, root of the cases, cases of a file, injected slowness."""
        self._config = config
        registry = config["registry"]
        if registry:
            top = registry.partition(":")[0].partition(".")[0]
            sys.meta_path.insert(0, HeadFirst(top, config["cases_root"]))
        # After everything that the side itself brings.
        sys.path.append(config["cases_root"])
        return {}

    def facts(self) -> dict[str, str]:
        """Return the version of Python, and a hash of the packages that are installed."""
        return {"python": ".".join(map(str, sys.version_info[:3])), "packages": packages_hash()}

    def describe(self) -> list[dict[str, Any]]:
        """Return the cases of the registry, with the module that each can be found in."""
        name, _, attribute = self._config["registry"].partition(":")
        cases = getattr(import_cases(name), attribute or "CASES")
        homes = family_modules(name)
        return [described(case, homes.get(case.name, name)) for case in cases]

    def open(self, case: dict[str, Any], size: str, scratch: str, checked: bool) -> dict[str, Any]:
        """Prepare a case and call it once: kernels are loaded then, and memory touched; check the result if asked."""
        self.close()
        folder = tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True)
        # Once before the clock: what is compiled, loaded or touched first is none of a turn.
        call, check = self._prepare(case, Path(folder.name), size)
        begin = perf_counter_ns()
        result = run_case(call)
        first_ns = perf_counter_ns() - begin
        if checked:
            check_result(check, result)
        del result
        self._require_own_modules()
        self._open = Open(call, folder)
        self._watch_compiler()
        self._take_compiles()
        gc.collect()
        if case["gc"]:
            gc.enable()
        else:
            gc.freeze()
            gc.disable()
        return {"firstNs": first_ns}

    def turn(self, calls: int) -> list[int]:
        """Time that many calls of the open case, each alone, and return the least times."""
        if self._open is None:
            raise CaseError("absent", "no case is open")
        turn = self._timed(self._open.call, calls)
        return [*turn, self._take_compiles()]

    def close(self) -> dict[str, Any]:
        """Let go of the open case and what it wrote."""
        if self._open is not None:
            folder, self._open = self._open.folder, None
            folder.cleanup()
            gc.unfreeze()
            gc.enable()
            gc.collect()
        return {}

    def guard(
        self, case: dict[str, Any], probe: dict[str, Any] | None, size: str, scratch: str, turns: int
    ) -> dict[str, Any]:
        """Time a case and its probe in turns, and count what one call does to the disk."""
        with ExitStack() as stack:
            calls: list[tuple[Callable[[], Any], tuple[list[int], list[int]]]] = []
            for item in filter(None, (case, probe)):
                folder = stack.enter_context(tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True))
                call, check = self._prepare(item, Path(folder), size)
                check_result(check, run_case(call))
                calls.append((call, ([], [])))
            for turn in range(-GUARD_WARM_UP, turns):
                for call, (walls, nets) in calls:
                    timed = self._timed(call, 1)
                    if turn >= 0:
                        walls.append(timed.wall_ns)
                        nets.append(timed.net_ns)
            with counted() as counts:
                run_case(calls[0][0])
        return {"wallNs": [walls for _, (walls, _) in calls], "netNs": [nets for _, (_, nets) in calls],
                "counts": counts}  # fmt: skip

    def reference(self, scratch: str) -> dict[str, Any]:
        """Time a fixed loop and a raw write with fsync: what the host did at this moment."""
        loops = [self._timed(reference_loop, 1).net_ns for _ in range(REFERENCE_ROUNDS)]
        with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as folder:
            path = os.path.join(folder, "probe.bin")
            writes = sorted(self._timed(lambda: raw_write(path), 1).net_ns for _ in range(PROBE_WRITES))
        return {"loopNs": min(loops), "rawMedianNs": writes[len(writes) // 2], "rawMaxNs": writes[-1]}

    def _timed(self, call: Callable[[], Any], calls: int) -> Turn:
        times = [timed_call(call, self._clock, self._config.get("slow", 0.0)) for _ in range(calls)]
        return Turn(min(time.wall_ns for time in times), min(time.net_ns for time in times))

    def _prepare(
        self, case: dict[str, Any], folder: Path, size: str
    ) -> tuple[Callable[[], Any], Callable[[Any], None]]:
        with told_as("absent"):
            if case["command"]:
                return command_case(case, self._config["root"], self._clock)
            if case["callable"]:
                function, words, named = imported(case["callable"]), case["args"], case["kwargs"]
                return (lambda: function(*words, **named)), accept
            factory = imported(case["factory"]) if case["factory"] else found(case["home"], case["name"]).factory
            made = factory(folder, size) if takes_two(factory) else factory(folder)
        return tuple(made) if isinstance(made, tuple) else (made, accept)

    def _require_own_modules(self) -> None:
        """Raise CaseError stray where a package of the side came from elsewhere: then two equal things are compared."""
        registry = self._config["registry"] or ""
        paths = [os.path.realpath(path) + os.sep for path in self._config["paths"]]
        names = {entry.partition(".")[0] for path in paths if os.path.isdir(path) for entry in os.listdir(path)}
        for name in names.difference({registry.partition(":")[0].partition(".")[0]}):
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is not None and not os.path.realpath(file).startswith(tuple(paths)):
                raise CaseError("stray", f"{name} was imported from {file}, and not from the checkout to be measured")

    def _watch_compiler(self) -> None:
        """Record what Numba compiles from now on: compiling is not what a turn should time."""
        if self._compiled is None and "numba" in sys.modules:
            event = importlib.import_module("numba.core.event")
            recorder = event.RecordingListener()
            event.register("numba:compile", recorder)
            self._compiled = recorder.buffer

    def _take_compiles(self) -> int:
        """Return how much was compiled since the last time; each has a begin and an end."""
        count = len(self._compiled or ()) // 2
        if self._compiled:
            self._compiled.clear()
        return count


def timed_call(call: Callable[[], Any], clock: Clock, slow: float) -> Turn:
    """Time one call; ``slow`` adds that share of its own time as work, for checks of the gate itself."""
    waited = clock.waited_ns()
    start = perf_counter_ns()
    result = call()
    if slow:
        spin_until = perf_counter_ns()
        spin_until += int((spin_until - start) * slow)
        while perf_counter_ns() < spin_until:
            pass
    wall = perf_counter_ns() - start
    net = wall - (clock.waited_ns() - waited)
    # Outside the clock: freeing the last result is not the work of this call.
    del result
    return Turn(wall, max(1, net))


def reference_loop() -> int:
    """A loop that uses a core and nothing else, 1 ms or so."""
    total = 0
    for number in range(20_000):
        total += number & 7
    return total


def raw_write(path: str) -> None:
    """Write 64 KB in place and sync it: the least that is durable."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.write(file, PROBE_BYTES)
        os.fsync(file)
    finally:
        os.close(file)


def command_case(case: dict[str, Any], root: str, clock: Clock) -> tuple[Callable[[], int], Callable[[int], None]]:
    """Return a call that runs a program in the checkout of the side, and the check of its exit status."""
    words = [word.replace("{python}", sys.executable).replace("{root}", root) for word in case["command"]]
    if words[0] in ("python", "python3"):
        words[0] = sys.executable  # by its bare name it would lose the virtual environment
    folder = os.path.join(root, case["cwd"])
    environment = {**os.environ, **case["env"]}

    def call() -> int:
        with open(os.devnull, "wb") as nothing:
            process = subprocess.Popen(words, cwd=folder, env=environment, stdin=nothing, stdout=nothing)
            clock.add_child(process.pid)
            status = process.wait()
        if status != case["exit_status"]:
            raise CaseError("wrong", f"{words}: exit status {status}, not {case['exit_status']}")
        return status

    return call, accept


def accept(result: Any) -> None:
    """Check nothing."""


@contextmanager
def told_as(kind: str) -> Iterator[None]:
    """Tell whatever a case raises as the case's, of that kind; what can not be imported is absent."""
    try:
        yield
    except CaseError:
        raise
    except Exception as error:
        raise CaseError("absent" if isinstance(error, ImportError) else kind, text_of(error)) from error


def run_case(call: Callable[[], Any]) -> Any:
    """Call a case outside the clock."""
    with told_as("raised"):
        return call()


def check_result(check: Callable[[Any], None], result: Any) -> None:
    """Let the case check its result; whatever it raises means that it is wrong."""
    with told_as("wrong"):
        check(result)


def import_cases(name: str) -> ModuleType:
    """Import a module of cases; CaseError absent where it can not be."""
    with told_as("absent"):
        return importlib.import_module(name)


def imported(word: str) -> Any:
    """Return what ``module:attribute`` names."""
    name, _, attribute = word.partition(":")
    found: Any = importlib.import_module(name)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def found(home: str, name: str) -> Any:
    """Return the case of that name in a module: in one of its tuples or lists."""
    for case in listed(import_cases(home)):
        if getattr(case, "name", None) == name:
            return case
    raise CaseError("absent", f"{home} has no case {name!r}")


def listed(module: ModuleType) -> Iterator[Any]:
    """Yield what the tuples and lists of a module hold and what looks like a case."""
    for value in list(vars(module).values()):
        if isinstance(value, (tuple, list)):
            yield from (item for item in value if hasattr(item, "name") and hasattr(item, "factory"))


def family_modules(registry: str) -> dict[str, str]:
    """Return, for the name of each case, the module beside the registry that lists it.

    Another version of the package may be unable to import one family; the others should be timed all the same.
    """
    package = registry.partition(".")[0]
    homes: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        if name != registry and (name == package or name.startswith(package + ".")):
            homes.update({case.name: name for case in listed(module)})
    return homes


def described(case: Any, home: str) -> dict[str, Any]:
    """Return what a case says of itself as plain data."""
    fields = {name: getattr(case, name, default) for name, default in FIELDS}
    rail = getattr(case, "guardrail", None)
    guardrail = None if rail is None else {name: getattr(rail, name, default) for name, default in GUARD_FIELDS}
    for name in ("limits_ms", "counts") if guardrail else ():
        guardrail[name] = dict(guardrail[name])  # type: ignore[index]
    return {"name": case.name, "home": home, "guardrail": guardrail, **fields}


def takes_two(factory: Callable[..., Any]) -> bool:
    """Say whether a factory wants the size besides the folder."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(factory).parameters.values()
    return len([parameter for parameter in parameters if parameter.kind in kinds]) >= 2


def packages_hash() -> str:
    """Return a hash over the names and versions of all installed packages, as their folders are called."""
    folders = [path for path in sys.path if os.path.isdir(path)]
    names = {name for path in folders for name in os.listdir(path) if name.endswith((".dist-info", ".egg-info"))}
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Count fsyncs, renames and bytes written through ``os`` for the length of the block."""
    counts = {"fsync": 0, "rename": 0, "bytes": 0}
    # On macOS fsync stops at the drive's cache, so what syncs there is a fcntl.
    syncs = (importlib.import_module("fcntl"), "fcntl") if sys.platform == "darwin" else (os, "fsync")
    spied = ((*syncs, "fsync"), (os, "rename", "rename"), (os, "replace", "rename"), (os, "write", "bytes"))

    def spy(real: Callable[..., Any], key: str) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            result = real(*words, **named)
            counts[key] += result if key == "bytes" else 1
            return result

        return call

    with ExitStack() as stack:
        for module, name, key in spied:
            real = getattr(module, name)
            stack.callback(setattr, module, name, real)
            setattr(module, name, spy(real, key))
        yield counts


def text_of(error: BaseException) -> str:
    """Return the kind of an error and what it says, with the place it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def main() -> int:
    """Answer requests until there are no more."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    # What a case prints must not get between the answers, nor may it read the requests.
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    worker = Worker()
    for line in requests:
        try:
            answer = {"ok": worker.answer(json.loads(line))}
        except CaseError as error:
            answer = {"error": {"kind": error.kind, "text": str(error)}}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": {"kind": "raised", "text": text_of(error)}}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    worker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
