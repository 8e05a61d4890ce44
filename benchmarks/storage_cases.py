"""Writing one artifact: the atomic, durable write beside the least that is durable at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.case import Case, Guardrail, Size, Timed, require

__all__ = ["STORAGE_CASES", "atomic_writer", "payload", "raw_writer"]


def payload(size_bytes: int) -> bytes:
    """Return ``size_bytes`` bytes that neither compress nor repeat on a page boundary."""
    return bytes((251 * i + (i >> 8)) & 0xFF for i in range(size_bytes))


def atomic_writer(folder: Path, data: bytes) -> Callable[[], object]:
    """Return a call that writes ``data`` as one artifact, the way that runs are written."""
    from flowtime.storage import write_atomic

    return partial(write_atomic, folder / "artifact.bin", data, durability="power")


def raw_writer(folder: Path, data: bytes) -> Callable[[], object]:
    """Return a call that writes ``data`` in place and syncs it: neither atomic nor new, just on the disk.

    What this costs is the host's; what the atomic write costs beyond it is ours.
    """
    path = folder / "probe.bin"
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)

    def write() -> None:
        file = os.open(path, flags, 0o600)
        try:
            os.write(file, data)
            os.fsync(file)
        finally:
            os.close(file)

    return write


def _writes(
    folder: Path, size: Size, *, writer: Callable[[Path, bytes], Callable[[], object]], size_bytes: int
) -> Timed:
    data = payload(size_bytes if size == "full" else 100)

    def check(_result: object) -> None:
        written = [path.read_bytes() for path in folder.iterdir()]
        require(written == [data], "one file with the bytes that were given, and nothing left beside it")

    return Timed(writer(folder, data), check)


def _limits(size_bytes: int, turns: int, limits_ms: dict[str, float]) -> Guardrail:
    """Return what a durable write must keep: file and folder synced (Windows syncs no folder), and one rename."""
    counts = {"fsync": 1 if os.name == "nt" else 2, "rename": 1, "bytes": size_bytes}
    probe = "raw_write_64k" if size_bytes == 1 << 16 else "raw_write_1m"
    # The raw probe's p99 is 0.13 to 0.23 ms on a host of its own, 3.7 beside a rival that syncs in a loop.
    return Guardrail(limits_ms, turns=turns, probe=probe, probe_limit_ms=2.5, counts=counts)


_SMALL, _LARGE = 1 << 16, 1 << 20

STORAGE_CASES = (
    Case(
        "write_atomic_64k",
        "write 64 KB",
        partial(_writes, writer=atomic_writer, size_bytes=_SMALL),
        4,
        guardrail=_limits(_SMALL, 2000, {"p99": 10.0, "p50": 1.0}),
    ),
    Case("raw_write_64k", "write 64 KB", partial(_writes, writer=raw_writer, size_bytes=_SMALL), 4),
    Case(
        "write_atomic_1m",
        "write 1 MB",
        partial(_writes, writer=atomic_writer, size_bytes=_LARGE),
        guardrail=_limits(_LARGE, 500, {"p99": 10.0}),
    ),
    Case("raw_write_1m", "write 1 MB", partial(_writes, writer=raw_writer, size_bytes=_LARGE)),
)
