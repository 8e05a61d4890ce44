"""Steps as records change them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtime.tracking.log.log_format import Kind
from flowtime.tracking.step_table import StepTable, fold_steps

_NS = 1_000_000_000


class Told(NamedTuple):
    """An event of a log, as far as the table looks."""

    kind: int
    wall_ns: int
    monotonic_ns: int
    data: dict[str, Any]


def step(at_s: float, step_id: str, status: str, **others: Any) -> Told:
    return Told(Kind.STEP, int((1000 + at_s) * _NS), int(at_s * _NS), {"id": step_id, "status": status, **others})


def statuses(table: StepTable) -> dict[str, str]:
    return {row.id: row.status for row in table.rows.values()}


def test_attempts_and_their_time_add_up() -> None:
    table = fold_steps(
        [
            step(0, "load", "running"),
            step(2, "load", "failed", reason="OSError"),
            step(5, "load", "running"),
            step(9, "load", "completed", done=3, total=3),
        ]
    )
    entry = table.rows["load"].document()
    assert (entry["attempts"], entry["durationSeconds"]) == (2, 6.0)
    assert (entry["startedUtc"], entry["endedUtc"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T00:16:49.000Z")
    assert (entry["done"], entry["total"], entry["reason"]) == (3, 3, None)


def test_a_running_step_has_taken_as_long_as_until_now() -> None:
    row = fold_steps([step(1, "load", "running")]).rows["load"]
    assert row.seconds(int(3.5 * _NS)) == 2.5
    assert row.seconds() == 0.0


def test_parallel_and_nested_steps_run_beside_each_other() -> None:
    table = fold_steps([step(0, "a", "running"), step(1, "a/x", "running", parent="a"), step(2, "b", "running")])
    assert list(table.running) == ["a", "a/x", "b"]
    assert table.current is table.rows["b"]
    assert table.counts == {"pending": 0, "running": 2}


@pytest.mark.parametrize(
    ("events", "index", "total", "finished"),
    [
        pytest.param([], None, 3, 0, id="not begun"),
        pytest.param([step(0, "a", "running")], 1, 3, 0, id="in the first"),
        pytest.param([step(0, "a", "running"), step(1, "a", "completed")], 1, 3, 1, id="after the first"),
        pytest.param([step(0, "a", "skipped"), step(1, "b", "running")], 1, 2, 0, id="a skipped one is none"),
        pytest.param([step(0, "a", "running"), step(1, "b", "running")], 1, 3, 0, id="two at once"),
        pytest.param([step(0, "z", "running")], 1, 4, 0, id="one that nobody planned"),
    ],
)
def test_which_step_of_how_many(events: list[Told], index: int | None, total: int, finished: int) -> None:
    plan = Told(Kind.RUN, 0, 0, {"status": "running", "steps": [["a", "A"], ["b", "B"], ["c", "C"]]})
    table = fold_steps([plan, *events])
    assert (table.index, table.total, table.finished) == (index, total, finished)


def test_what_was_under_way_when_the_next_session_began_was_interrupted() -> None:
    again = Told(Kind.RUN, 2000 * _NS, 0, {"status": "running", "session": 2})
    table = fold_steps([step(1, "a", "running"), step(4, "b", "running"), again, step(1, "a", "running")])
    assert statuses(table) == {"a": "running", "b": "failed"}
    assert (table.rows["b"].reason, table.rows["b"].seconds()) == ("interrupted", 0.0)
    assert (table.rows["a"].attempts, table.rows["a"].seconds(2 * _NS)) == (2, 4.0)


def test_progress_and_artifacts_are_of_their_step() -> None:
    told = [
        step(0, "a", "running"),
        Told(Kind.PROGRESS, 0, 0, {"a": [7, 20], "gone": [1, None]}),
        Told(Kind.ARTIFACT, 0, 0, {"path": "a.csv", "step": "a"}),
        Told(Kind.ARTIFACT, 0, 0, {"path": "b.csv", "step": None}),
    ]
    row = fold_steps(told).rows["a"]
    assert (row.done, row.total, row.artifacts) == (7, 20, ["a.csv"])


def test_a_run_that_ends_closes_what_is_under_way() -> None:
    table = fold_steps([step(0, "a", "running"), step(1, "b", "running"), step(2, "b", "completed")])
    closed = table.close_running("cancelled", "SIGINT", 0, 5 * _NS)
    assert [row.id for row in closed] == ["a"]
    assert statuses(table) == {"a": "cancelled", "b": "completed"}
    assert (table.rows["a"].seconds(), table.running) == (5.0, {})


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "d"]),
            st.sampled_from(["running", "completed", "failed", "skipped", "cancelled"]),
        )
    )
)
def test_counts_are_those_of_the_rows(turns: list[tuple[str, str]]) -> None:
    table = fold_steps(step(number, step_id, status) for number, (step_id, status) in enumerate(turns))
    counted: dict[str, int] = {}
    for row in table.rows.values():
        counted[row.status] = counted.get(row.status, 0) + 1
    assert {status: count for status, count in table.counts.items() if count} == counted
    assert set(table.running) == {row.id for row in table.rows.values() if row.status == "running"}
    assert [row.order for row in table.rows.values()] == list(range(1, len(table.rows) + 1))
