"""The event log on a disk that is really full: a small file system in memory, where one can be mounted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.log_report import scan_log
from trackfakes import FakeClock, notes, values, write_notes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 256 KiB; skipped where that needs rights that the tests do not have."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if sys.platform != "linux" or mount is None:
        pytest.skip("only Linux mounts a file system in memory")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True)
    if done.returncode:
        pytest.skip(f"can not mount: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_really_full_ends_nothing(small_disk: Path) -> None:
    clock = FakeClock()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(100_000))
    log = EventLog(small_disk, clock=clock.clock, segment_bytes=64 << 10)
    for number in range(5000):
        log.scalars(x=number)
    write_notes(log, ["x" * 1000] * 100)
    before = len(values(small_disk))
    ballast.unlink()
    clock.pass_time(10)
    log.scalars(x=-1)
    log.close()
    report = scan_log(small_disk)
    assert 0 < before < 5000
    assert values(small_disk) == [*range(before), -1]
    assert report.events + log.counts.dropped == 5101
    assert (report.gaps, report.damages, log.counts.dropped_reason) == ((), (), "No space left on device")


def test_a_full_disk_takes_notes_up_to_the_last_segment(small_disk: Path) -> None:
    log = EventLog(small_disk)
    write_notes(log, ["x" * 1000] * 1000)
    log.close()
    assert len(notes(small_disk)) + log.counts.dropped == 1000
    assert len(notes(small_disk)) > 50
