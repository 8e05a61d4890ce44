"""Laws of the CSV of a series."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flowtime.bundle.series_csv import SeriesCsvWriter, parse_series_csv

SERIES = arrays.arrays(np.float64, st.integers(0, 50), elements=st.floats(width=64))


@given(SERIES)
def test_what_is_written_reads_back_to_the_same_bits(values: np.ndarray) -> None:
    read = parse_series_csv(SeriesCsvWriter(values.size).text(values), values.size, file="a.csv")
    missing = np.isnan(values)
    np.testing.assert_array_equal(np.isnan(read), missing)
    assert read[~missing].tobytes() == values[~missing].tobytes()


@given(SERIES)
def test_each_number_is_as_python_reads_it(values: np.ndarray) -> None:
    lines = SeriesCsvWriter(values.size).text(values).decode("ascii").splitlines()[1:]
    read = np.array([float(line.partition(",")[2]) for line in lines])
    np.testing.assert_array_equal(read, values)


@given(SERIES)
def test_the_text_depends_on_the_values_alone(values: np.ndarray) -> None:
    spread = np.repeat(values, 2)[::2]
    assert SeriesCsvWriter(values.size).text(spread) == SeriesCsvWriter(values.size).text(values)
