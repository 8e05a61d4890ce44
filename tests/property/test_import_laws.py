"""Laws of imports: nothing is lost or made up, and neither order nor pieces nor the kind of file change a number."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtime.telemetry.loaders.cells import cells_of
from flowtime.telemetry.loaders.moments import moment_text, read_moments
from flowtime.telemetry.loaders.numerals import read_numbers
from importfakes import imported, measured, options, series, write

ZERO = datetime(2025, 3, 1, tzinfo=UTC)
# Seconds after midnight and what the event weighs; so far apart that bins grow at both ends.
EVENTS = st.lists(st.tuples(st.integers(-200_000, 200_000), st.integers(0, 10_000)), min_size=1, max_size=60)
MAPS = ("A.arrivals=count", "A.served=sum(n)", "A.capacity=max(n)", "A.parallelism=mean(n)")
# A factor that tells float from decimal digits.
TENTH = 10


def lines(events: list[tuple[int, int]]) -> str:
    """Return events as a CSV; what they weigh is in tenths."""
    rows = (f"{(ZERO + timedelta(seconds=at)).isoformat()},{weight / TENTH}" for at, weight in events)
    return "time,n\n" + "\n".join(rows) + "\n"


def binned(events: list[tuple[int, int]], seconds: int) -> dict[int, list[float]]:
    """Return what events weigh by the bin that they lie in: the slow, obvious way."""
    found: dict[int, list[float]] = defaultdict(list)
    for at, weight in events:
        found[at // seconds].append(weight / TENTH)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples of a law share."""
    return tmp_path_factory.mktemp("laws")


@given(events=EVENTS, minutes=st.sampled_from([1, 5, 60]))
def test_bins_hold_every_event_once(place: Path, events: list[tuple[int, int]], minutes: int) -> None:
    found = series(measured(write(place, lines(events)), options(*MAPS, grid=f"{minutes}m")))
    wanted = binned(events, minutes * 60)
    bins = range(min(wanted), max(wanted) + 1)
    assert found["A.arrivals"] == [len(wanted.get(number, [])) for number in bins]
    assert sum(found["A.arrivals"]) == len(events)
    assert found["A.served"] == pytest.approx([math.fsum(wanted.get(number, [])) for number in bins], rel=1e-12)
    assert [top for top in found["A.capacity"] if top == top] == [
        max(wanted[number]) for number in bins if wanted[number]
    ]


@given(events=EVENTS, piece=st.integers(40, 4000))
def test_pieces_change_no_bit(place: Path, events: list[tuple[int, int]], piece: int) -> None:
    path = write(place, lines(events))
    whole, pieces = (measured(path, options(*MAPS, piece_bytes=size)) for size in (1 << 20, piece))
    assert np.array_equal(values_of(whole), values_of(pieces), equal_nan=True)
    assert [remark[:3] for remark in whole.remarks] == [remark[:3] for remark in pieces.remarks]


@given(events=EVENTS)
def test_quotes_change_no_bit(place: Path, events: list[tuple[int, int]]) -> None:
    plain = write(place, lines(events), "plain.csv")
    with plain.open(newline="") as text, (place / "quoted.csv").open("w", newline="") as quoted:
        csv.writer(quoted, quoting=csv.QUOTE_ALL).writerows(csv.reader(text))
    found = [values_of(measured(place / name, options(*MAPS))) for name in ("plain.csv", "quoted.csv")]
    assert np.array_equal(*found, equal_nan=True)


@given(events=EVENTS)
def test_parquet_gives_the_same_bits(place: Path, events: list[tuple[int, int]]) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, of the extra of that name")
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    path = write(place, lines(events))
    parquet.write_table(arrow_csv.read_csv(path), place / "same.parquet")
    found = [values_of(measured(place / name, options(*MAPS))) for name in ("source.csv", "same.parquet")]
    assert np.array_equal(*found, equal_nan=True)


# As EVENTS, each with its class, empty for none.
CLASSED = st.lists(
    st.tuples(st.integers(-50_000, 50_000), st.integers(0, 10_000), st.sampled_from(["a", "B", "c-1", ""])),
    min_size=1,
    max_size=60,
)


def classed_lines(events: list[tuple[int, int, str]]) -> str:
    """Return events as a CSV with a column of their classes."""
    texts = lines([event[:2] for event in events]).splitlines()
    classes = ["kind", *(event[2] for event in events)]
    return "\n".join(f"{text},{kind}" for text, kind in zip(texts, classes, strict=True)) + "\n"


@given(events=CLASSED, piece=st.integers(40, 4000))
def test_classes_add_up_to_the_total(place: Path, events: list[tuple[int, int, str]], piece: int) -> None:
    maps = ("A.arrivals=count", "A.served=sum(n)")
    path = write(place, classed_lines(events))
    found = series(measured(path, options(*maps, class_column="kind", piece_bytes=piece)))
    plain = series(measured(path, options(*maps)))
    assert {name: found[name] for name in plain} == plain
    # What has no class is found by asking for it.
    rest = len([event for event in events if not event[2]])
    for name in plain:
        parts = [found[f"{name}@{kind}"] for kind in ("a", "B", "c-1") if f"{name}@{kind}" in found]
        short = np.array(found[name]) - np.sum([np.zeros(len(found[name])), *parts], axis=0)
        weight = rest if name == "A.arrivals" else sum(event[1] for event in events if not event[2]) / TENTH
        assert short.sum() == pytest.approx(weight, rel=1e-9, abs=1e-6)
        assert (short > -1e-6).all()


@given(events=CLASSED, kind=st.sampled_from(["a", "B", ""]))
def test_rows_that_match_are_those_of_their_class(place: Path, events: list[tuple[int, int, str]], kind: str) -> None:
    chosen = [event[:2] for event in events if event[2] == kind]
    path = write(place, classed_lines([(0, 1, kind), *events]))
    found = series(measured(path, options(*MAPS, where=(("kind", kind),))))
    wanted = series(measured(write(place, lines([(0, 1), *chosen])), options(*MAPS)))
    assert repr(found) == repr(wanted)


@given(events=CLASSED)
def test_classes_in_parquet_give_the_same_bits(place: Path, events: list[tuple[int, int, str]]) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, of the extra of that name")
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    path = write(place, classed_lines([(0, 1, "a"), *events]))
    parquet.write_table(arrow_csv.read_csv(path), place / "same.parquet")
    wanted = options(*MAPS, class_column="kind", where=(("kind", "a"),))
    found = [measured(place / name, wanted) for name in ("source.csv", "same.parquet")]
    assert np.array_equal(values_of(found[0]), values_of(found[1]), equal_nan=True)
    assert found[0].classes == found[1].classes == ("a",)


@given(events=EVENTS, order=st.randoms(use_true_random=False))
def test_order_changes_no_count(place: Path, events: list[tuple[int, int]], order: object) -> None:
    shuffled = sorted(events, key=lambda _: order.random())
    found = [
        series(measured(write(place, lines(given_order)), options("A.arrivals=count")))["A.arrivals"]
        for given_order in (events, shuffled)
    ]
    assert found[0] == found[1]


@given(values=st.lists(st.one_of(st.none(), st.floats(0, 1e9)), min_size=1, max_size=50))
def test_counts_per_bin_come_back_as_they_were(place: Path, values: list[float | None]) -> None:
    rows = [
        f"{(ZERO + timedelta(minutes=5 * number)).isoformat()},{value!r}"
        for number, value in enumerate([1.0, *values, 1.0])
        if value is not None
    ]
    found = measured(write(place, "time,value\n" + "\n".join(rows) + "\n"), options("A.arrivals=value")).series[0]
    assert [None if math.isnan(value) else value for value in found.values] == [1.0, *values, 1.0]
    assert found.missing.tolist() == [value is None for value in [1.0, *values, 1.0]]


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30))
def test_numbers_are_read_to_the_bit(values: list[float]) -> None:
    column = read_numbers(cells_of([repr(value) for value in values]))
    assert (column.values.view(np.int64) == np.array(values).view(np.int64)).all()


@given(st.lists(st.decimals(-(10**9), 10**9, places=3), min_size=1, max_size=30))
def test_decimals_are_read_as_float_reads_them(values: list[object]) -> None:
    assert read_numbers(cells_of([str(value) for value in values])).values.tolist() == [
        float(value) for value in values
    ]


@given(
    st.lists(
        st.datetimes(datetime(1700, 1, 1), datetime(2260, 1, 1)).map(lambda moment: moment.isoformat() + "Z"),
        min_size=1,
        max_size=30,
    )
)
def test_times_come_back_as_they_were(texts: list[str]) -> None:
    found = read_moments(cells_of(texts))
    assert found.wrong == -1
    assert [moment_text(nanos) for nanos in found.nanos.tolist()] == texts


@given(st.lists(st.text(max_size=12), min_size=1, max_size=20))
def test_any_text_is_a_time_or_is_told(texts: list[str]) -> None:
    assert -1 <= read_moments(cells_of(texts)).wrong < len(texts)
    assert -1 <= read_numbers(cells_of(texts)).wrong < len(texts)


@pytest.mark.large
def test_million_rows_add_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    at = np.sort(rng.integers(0, 30 * 86_400_000, 1_000_000))
    weights = rng.integers(0, 5000, at.size)
    times = np.datetime_as_string(np.datetime64("2025-03-01", "ms") + at.astype("timedelta64[ms]")).tolist()
    rows = "\n".join(f"{time}Z,{weight}" for time, weight in zip(times, weights.tolist(), strict=True))
    report = imported(write(tmp_path, f"time,n\n{rows}\n"), options("A.arrivals=count", "A.served=sum(n)"), tmp_path)
    assert (report.rows, report.manifest.grid.bins) == (1_000_000, 8640)
    assert [item.total for item in report.series] == [1_000_000.0, float(weights.sum())]


def values_of(found: object) -> np.ndarray:
    """Return the values of all series, (series, bins)."""
    return np.stack([item.values for item in found.series])
