"""Which series are written, and where."""

from __future__ import annotations

import pytest

from flowtime.bundle import given_series, select_series
from flowtime.bundle.documents import RngEntry
from runfakes import MODEL_TEXT, NAMES, a_model

PLAIN = """\
schemaVersion: 1
grid: {bins: 1, binSize: 1, binUnit: hours}
nodes: [%s]
"""


def names(outputs: str = "", text: str = MODEL_TEXT) -> tuple[str, ...]:
    return tuple(series.name for series in select_series(a_model(text + outputs)))


def paths(*ids: str, outputs: str = "") -> list[str]:
    nodes = ", ".join(f"{{id: {name}, kind: const, values: 1}}" for name in ids)
    return [series.csv_path for series in select_series(a_model(PLAIN % nodes + outputs))]


DRAWN = """\
schemaVersion: 1
grid: {bins: 1, binSize: 1, binUnit: hours}
nodes:
  - {id: steady, kind: const, values: 1}
  - {id: drawn, kind: pmf, pmf: {values: [1, 2], probabilities: [0.5, 0.5]}}
  - {id: chosen, kind: const, values: 1}
outputs: [{series: chosen}]
"""


@pytest.mark.parametrize(
    ("sampled", "bindings", "expected"),
    [
        pytest.param(True, (), ("drawn", "chosen"), id="what was drawn"),
        pytest.param(False, (), ("chosen",), id="nothing, where nothing is drawn"),
        pytest.param(False, ("steady", "parameter"), ("steady", "chosen"), id="what telemetry gave"),
    ],
)
def test_what_was_given_to_a_run_is_written(
    sampled: bool, bindings: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    model = a_model(DRAWN)
    given = given_series(model.spec, RngEntry(kind="pcg32", seed=1, sampled=sampled), bindings)
    assert tuple(series.name for series in select_series(model, given=given)) == expected


# demand and limit are bound by Desk, and desk_* are implied by it: they are written whatever is chosen.
@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        pytest.param("", NAMES, id="no outputs: all"),
        pytest.param("outputs: [{series: '*'}]", NAMES, id="star"),
        pytest.param("outputs: [{series: double}]", NAMES, id="an id"),
        pytest.param("outputs: [{series: dou/*}]", NAMES, id="a prefix"),
        pytest.param("outputs: [{series: limit}]", ("demand", "limit", "desk_queue", "desk_served"), id="not another"),
        pytest.param("outputs: [{series: '*', exclude: [double]}]", (*NAMES[:2], *NAMES[3:]), id="excluded"),
        pytest.param("outputs: [{series: '*', exclude: [d/*]}]", (*NAMES[:2], *NAMES[3:]), id="a prefix excluded"),
        pytest.param("outputs: [{series: '*', exclude: [double]}, {series: double}]", NAMES, id="only where it says"),
    ],
)
def test_outputs_choose_and_topology_adds(outputs: str, expected: tuple[str, ...]) -> None:
    assert names(outputs) == expected


def test_an_id_carries_the_measure_twice() -> None:
    (series,) = select_series(a_model(PLAIN % "{id: orderRate, kind: const, values: 1}"))
    assert series == ("orderRate", "orderRate@ORDERRATE@DEFAULT", "series/orderRate@ORDERRATE@DEFAULT.csv")


def test_ids_that_differ_by_case_only_get_files_of_their_own() -> None:
    assert paths("rate", "Rate", "RATE") == [
        "series/rate@RATE@DEFAULT.csv",
        "series/Rate@RATE@DEFAULT~2.csv",
        "series/RATE@RATE@DEFAULT~3.csv",
    ]


def test_an_output_may_name_its_file() -> None:
    found = paths("a", "b", outputs="outputs: [{series: a, as: first.csv}, {series: b, as: FIRST.csv}]")
    assert found == ["series/first.csv", "series/FIRST~2.csv"]


def test_a_long_id_gets_a_file_name_that_fits() -> None:
    long = "x" * 300
    first, second = paths(long, long + "y")
    assert first != second
    assert max(len(first), len(second)) < 255
