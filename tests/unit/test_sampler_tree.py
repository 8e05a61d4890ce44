"""The process tree: who belongs to it, and that no processor time is lost or counted twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowtime.tracking.sampling.process_tree import ProcessReading, ProcTree, PsutilTree, TreeMeter, open_tree

NEEDS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
ROOT = 100


def process(pid: int, parent: int, own_s: float, reaped_s: float = 0.0, **more: object) -> ProcessReading:
    values: dict[str, object] = {"started": 1.0, "rss_bytes": 10, "io_bytes": (0, 0), **more}
    return ProcessReading(pid, parent, own_s=own_s, reaped_s=reaped_s, **values)  # type: ignore[arg-type]


def tree(*members: ProcessReading) -> dict[int, ProcessReading]:
    return {member.pid: member for member in members}


@pytest.mark.parametrize(
    ("before", "after", "cpu_s"),
    [
        pytest.param(tree(process(1, 0, 5.0)), tree(process(1, 0, 6.0)), 1.0, id="one process"),
        pytest.param(
            tree(process(1, 0, 5.0)), tree(process(1, 0, 5.0), process(2, 1, 2.0)), 2.0, id="a child that is new"
        ),
        pytest.param(
            tree(process(1, 0, 5.0)), tree(process(1, 0, 5.0, 3.0)), 3.0, id="a child that came and went unseen"
        ),
        pytest.param(
            tree(process(1, 0, 5.0), process(2, 1, 4.0)),
            tree(process(1, 0, 5.0, 4.5)),
            0.5,
            id="a child that ended: only what is new counts",
        ),
        pytest.param(
            tree(process(1, 0, 5.0), process(2, 1, 4.0), process(3, 2, 2.0)),
            tree(process(1, 0, 5.0, 7.0)),
            1.0,
            id="a child and its child ended",
        ),
        pytest.param(
            tree(process(1, 0, 5.0), process(2, 1, 4.0)),
            tree(process(1, 0, 5.5)),
            0.5,
            id="a child that nobody waited for takes nothing back",
        ),
        pytest.param(
            tree(process(1, 0, 5.0), process(2, 1, 4.0)),
            tree(process(1, 0, 5.0, 4.0), process(2, 1, 0.5, started=9.0)),
            0.5,
            id="a process id used again",
        ),
        pytest.param(tree(process(1, 0, 5.0)), tree(), 0.0, id="all ended"),
    ],
)
def test_processor_time_is_counted_once(
    before: dict[int, ProcessReading], after: dict[int, ProcessReading], cpu_s: float
) -> None:
    meter = TreeMeter()
    assert meter.update(before).cpu_s is None
    assert meter.update(after).cpu_s == pytest.approx(cpu_s)


@pytest.mark.parametrize(
    ("before", "after", "io_bytes", "secret"),
    [
        pytest.param(
            tree(process(1, 0, 0.0, io_bytes=(10, 20))),
            tree(process(1, 0, 0.0, io_bytes=(15, 20)), process(2, 1, 0.0, io_bytes=(1, 2))),
            (6.0, 2.0),
            0,
            id="sum",
        ),
        pytest.param(
            tree(process(1, 0, 0.0, io_bytes=(10, 20)), process(2, 1, 0.0, io_bytes=(5, 5))),
            tree(process(1, 0, 0.0, io_bytes=(16, 25))),
            (1.0, 0.0),
            0,
            id="a child that ended is part of its parent",
        ),
        pytest.param(
            tree(process(1, 0, 0.0)),
            tree(process(1, 0, 0.0, io_bytes=(7, 0)), process(2, 1, 0.0, io_bytes=None)),
            (7.0, 0.0),
            1,
            id="one does not tell",
        ),
        pytest.param(
            tree(process(1, 0, 0.0, io_bytes=None)), tree(process(1, 0, 0.0, io_bytes=None)), None, 1, id="none tells"
        ),
    ],
)
def test_bytes_are_counted_once(
    before: dict[int, ProcessReading],
    after: dict[int, ProcessReading],
    io_bytes: tuple[float, float] | None,
    secret: int,
) -> None:
    meter = TreeMeter()
    meter.update(before)
    use = meter.update(after)
    assert (use.io_bytes, use.secret) == (io_bytes, secret)


def test_ended_processes_hold_nothing() -> None:
    use = TreeMeter().update(tree(process(1, 0, 0.0), process(2, 1, 0.0, is_ended=True)))
    assert (use.processes, use.rss_bytes) == (1, 10)


class FakeProc:
    """A ``/proc`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.births = 0
        self.set({})

    def set(self, members: Mapping[int, tuple[int, int, float]], *, is_born: bool = True) -> None:
        """Write processes: id to (parent, start, seconds of processor time)."""
        self.births += is_born
        (self.folder / "loadavg").write_text(f"0.1 0.1 0.1 1/9 {self.births}\n")
        for pid, (parent, started, cpu_s) in members.items():
            task = self.folder / str(pid) / "task" / str(pid)
            task.mkdir(parents=True, exist_ok=True)
            fields = ["R", parent, *[0] * 9, round(cpu_s * TICKS), 0, 0, 0, 0, 0, 0, 0, started, 0, 3]
            (self.folder / str(pid) / "stat").write_text(f"{pid} (a) b (c) {' '.join(map(str, fields))}\n")
            children = [str(child) for child, (its_parent, _, _) in members.items() if its_parent == pid]
            (task / "children").write_text(" ".join(children))

    def end(self, pid: int) -> None:
        (self.folder / str(pid) / "stat").unlink()


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


@NEEDS_LINUX
def test_descendants_belong_and_strangers_do_not(proc: FakeProc, tmp_path: Path) -> None:
    proc.set({ROOT: (1, 5, 1.0), 101: (ROOT, 6, 2.0), 102: (101, 7, 3.0), 200: (1, 8, 9.0)})
    members = ProcTree(ROOT, proc=tmp_path).read()
    assert {pid: reading.own_s for pid, reading in members.items()} == {ROOT: 1.0, 101: 2.0, 102: 3.0}
    assert members[ROOT].rss_bytes == 3 * os.sysconf("SC_PAGE_SIZE")


@NEEDS_LINUX
def test_a_child_of_a_child_stays_when_its_parent_ends(proc: FakeProc, tmp_path: Path) -> None:
    proc.set({ROOT: (1, 5, 1.0), 101: (ROOT, 6, 2.0), 102: (101, 7, 3.0)})
    reader = ProcTree(ROOT, proc=tmp_path)
    reader.read()
    proc.set({ROOT: (1, 5, 1.0), 102: (1, 7, 3.0)})
    proc.end(101)
    assert reader.read().keys() == {ROOT, 102}


@NEEDS_LINUX
def test_a_process_id_used_again_is_a_stranger(proc: FakeProc, tmp_path: Path) -> None:
    proc.set({ROOT: (1, 5, 1.0), 101: (ROOT, 6, 2.0)})
    reader = ProcTree(ROOT, proc=tmp_path)
    reader.read()
    proc.set({ROOT: (1, 5, 1.0), 101: (1, 60, 2.0)})
    assert reader.read().keys() == {ROOT}


@NEEDS_LINUX
def test_the_tree_is_walked_only_after_births(proc: FakeProc, tmp_path: Path) -> None:
    proc.set({ROOT: (1, 5, 1.0)})
    reader = ProcTree(ROOT, proc=tmp_path)
    reader.read()
    proc.set({ROOT: (1, 5, 1.0), 101: (ROOT, 6, 2.0)}, is_born=False)
    unseen = reader.read().keys()
    proc.set({}, is_born=True)
    assert (unseen, reader.read().keys()) == ({ROOT}, {ROOT, 101})


@NEEDS_LINUX
def test_without_lists_of_children_parents_are_looked_up(proc: FakeProc, tmp_path: Path) -> None:
    proc.set({ROOT: (1, 5, 1.0), 101: (ROOT, 6, 2.0), 200: (1, 8, 9.0)})
    (tmp_path / str(ROOT) / "task" / str(ROOT) / "children").unlink()
    assert ProcTree(ROOT, proc=tmp_path).read().keys() == {ROOT, 101}


@NEEDS_LINUX
def test_bytes_that_may_not_be_read_are_none(proc: FakeProc, tmp_path: Path) -> None:
    proc.set({ROOT: (1, 5, 1.0), 101: (ROOT, 6, 2.0)})
    (tmp_path / "101" / "io").write_text("rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n")
    members = ProcTree(ROOT, proc=tmp_path).read()
    assert (members[ROOT].io_bytes, members[101].io_bytes) == (None, (4096, 8192))


@NEEDS_LINUX
def test_a_root_that_ended_leaves_an_empty_tree(proc: FakeProc, tmp_path: Path) -> None:
    assert ProcTree(ROOT, proc=tmp_path).read() == {}


@pytest.mark.parametrize("make", [pytest.param(open_tree, id="this system"), pytest.param(PsutilTree, id="psutil")])
def test_both_readers_see_a_real_child(make: type[PsutilTree]) -> None:
    reader = make(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        members = reader.read()
        child.communicate(b"\n")
    assert members[child.pid].parent == os.getpid()
    assert members[os.getpid()].own_s > 0.0
    assert members[os.getpid()].rss_bytes > 1 << 20


def test_psutil_finds_a_process_that_ended_empty() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        reader = PsutilTree(child.pid)
        child.communicate(b"\n")
    assert reader.read() == {}
