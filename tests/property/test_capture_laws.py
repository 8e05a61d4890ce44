"""Laws of captures: numbers come back to the bit, and what was captured is what is compared."""

from __future__ import annotations

import math
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capturefakes import a_capture, a_run
from enginemodels import model_text, station
from flowtime.errors import TelemetryError
from flowtime.telemetry import read_capture
from flowtime.telemetry.capture_csv import CaptureCsvWriter, parse_capture_csv
from flowtime.telemetry.diff import diff_capture
from flowtime.telemetry.verify import verify_capture
from runfakes import files_of

# NaN is the one that files hold: others have no text of their own.
NUMBERS = st.floats(allow_nan=False) | st.just(math.nan)
CELLS = st.lists(st.tuples(NUMBERS, st.booleans()), max_size=40)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters=',"\r\n'), min_size=1, max_size=8)
FLOWS = st.lists(st.floats(0, 1e6), min_size=1, max_size=6)


@given(cells=CELLS, class_id=NAMES)
@example(cells=[(-0.0, False)], class_id="DEFAULT")
@example(cells=[(5e-324, False), (1.7976931348623157e308, False)], class_id="1")
def test_numbers_and_gaps_come_back_to_the_bit(cells: list[tuple[float, bool]], class_id: str) -> None:
    missing = np.array([flag for _, flag in cells], dtype=np.bool_)
    values = np.where(missing, np.nan, np.array([value for value, _ in cells], dtype=np.float64))
    text = CaptureCsvWriter(len(cells)).text(values, class_id, missing)
    column = parse_capture_csv(text, len(cells), file="f.csv").get(class_id)
    assert (column is None) == (not cells)
    assert column is None or (column.values.tobytes(), column.missing.tolist()) == (values.tobytes(), missing.tolist())


@given(cells=CELLS.filter(bool), seed=st.randoms(use_true_random=False))
def test_the_order_of_lines_says_nothing(cells: list[tuple[float, bool]], seed: object) -> None:
    missing = np.array([flag for _, flag in cells], dtype=np.bool_)
    values = np.where(missing, np.nan, np.array([value for value, _ in cells], dtype=np.float64))
    head, *lines = CaptureCsvWriter(len(cells)).text(values, "A", missing).splitlines(keepends=True)
    seed.shuffle(lines)
    column = parse_capture_csv(b"".join([head, *lines]), len(cells), file="f.csv")["A"]
    assert column.values.tobytes() == values.tobytes()
    assert column.missing.tolist() == missing.tolist()


@given(body=st.binary(max_size=60), bins=st.integers(0, 4))
def test_any_bytes_are_read_or_refused(body: bytes, bins: int) -> None:
    columns = {}
    with suppress(TelemetryError):
        columns = parse_capture_csv(b"bin_index,classId,value\n" + body, bins, file="f.csv")
    assert all(column.values.shape == column.missing.shape == (bins,) for column in columns.values())


@pytest.mark.parametrize("kind", ["serviceWithBuffer", "service"])
@given(arrivals=FLOWS, capacity=st.floats(0, 1e6))
def test_a_capture_is_the_run_to_the_bit(kind: str, arrivals: list[float], capacity: float) -> None:
    text = model_text(
        len(arrivals), {"a": arrivals, "c": capacity}, station("arrivals: a, capacity: c", kind=kind),
        station("arrivals: q_served", kind="sink", name="End"), edges=["{from: Q, to: End, id: e}"],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = a_run(folder, text)
        a_capture(bundle, folder / "one")
        a_capture(bundle, folder / "two")
        capture = read_capture(folder / "one")
        assert files_of(folder / "one") == files_of(folder / "two")
        assert verify_capture(folder / "one").valid
        assert diff_capture(bundle, capture, rtol=0.0, atol=0.0).within
        assert all(
            capture.values[capture.row(file)].tobytes() == bundle.series(file.series_id).tobytes()
            for file in capture.manifest.files
        )
