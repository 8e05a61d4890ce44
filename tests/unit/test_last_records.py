"""The last records of a stream, read from its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowtime.tracking.log.compaction import compact
from flowtime.tracking.log.event_log import EventLog
from flowtime.tracking.log.last_records import last_records
from flowtime.tracking.log.log_format import Kind


def write(
    folder: Path, count: int, *, pad: int = 200, is_closed: bool = True, segment_bytes: int = 8 << 20
) -> EventLog:
    folder.mkdir(exist_ok=True)
    log = EventLog(folder, segment_bytes=segment_bytes)
    for number in range(count):
        log.append(Kind.SAMPLE, {"number": number, "pad": "x" * pad})
    if is_closed:
        log.close()
    return log


def last_number(folder: Path) -> int | None:
    found = last_records(folder, "samples", Kind.SAMPLE)
    return found[-1].data["number"] if found else None


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 128, 200, 3000])
@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_the_last_one_is_found(tmp_path: Path, count: int, is_closed: bool) -> None:
    log = write(tmp_path / "tracking", count, is_closed=is_closed)
    assert last_number(tmp_path) == count - 1
    log.close()


@pytest.mark.parametrize("pad", [0, 5_000, 100_000, 2_000_000])
def test_records_of_any_size_are_found(tmp_path: Path, pad: int) -> None:
    log = write(tmp_path / "tracking", 4, pad=pad, is_closed=False)
    assert last_number(tmp_path) == 3
    log.close()


def test_it_may_be_in_an_earlier_segment(tmp_path: Path) -> None:
    log = write(tmp_path / "tracking", 100, pad=2000, is_closed=False, segment_bytes=65536)
    for number in range(60):
        log.append(Kind.PROGRESS, {"train": [number, 60]})
    log.close()
    found = last_records(tmp_path, "samples", Kind.SAMPLE, along=(Kind.PROGRESS,))
    assert [found[-1].data["number"], found[-2].data["train"]] == [99, [59, 60]]


def test_what_lies_along_comes_in_its_order(tmp_path: Path) -> None:
    log = write(tmp_path / "tracking", 5, is_closed=False)
    for number in range(3):
        log.append(Kind.PROGRESS, {"train": [number, 3]})
    log.close()
    found = last_records(tmp_path, "samples", Kind.SAMPLE, along=(Kind.PROGRESS,))
    assert [record.data["train"][0] for record in found[:-1]] == [0, 1, 2]


def test_a_compacted_segment_is_read_too(tmp_path: Path) -> None:
    write(tmp_path / "tracking", 3000)
    compact(tmp_path)
    assert list((tmp_path / "tracking").glob("*.segz"))
    assert last_number(tmp_path) == 2999


def test_without_any_there_is_none(tmp_path: Path) -> None:
    write(tmp_path / "tracking", 0)
    assert last_number(tmp_path) is None
    assert last_number(tmp_path / "none") is None


def test_a_torn_tail_is_passed_over(tmp_path: Path) -> None:
    log = write(tmp_path / "tracking", 100, is_closed=False)
    (segment,) = (tmp_path / "tracking").glob("*samples*")
    data = segment.read_bytes()
    used = len(data.rstrip(b"\0"))
    with segment.open("r+b") as file:
        file.seek(used - 5)
        file.write(b"\0" * 5)
    assert last_number(tmp_path) == 98
    log.close()
