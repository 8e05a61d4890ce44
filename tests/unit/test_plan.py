"""Plans: what is computed, what is left out, shared or fused, in which order, and which loops are refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from enginemodels import compiled, model_text, operation_names, station
from flowtime.engine import compile_model, describe_plan, evaluate_many, summarize_plan
from flowtime.engine.kernel_cache import load_kernels, warm
from flowtime.errors import CompileError
from flowtime.model import parse_model
from flowtime_kernels import opcodes as op
from kernelforms import kernel_modules
from oracle import evaluate_model, first_difference
from oracle_laws import as_bytes
from strategies import Draft, drafts

CHAIN = {"a": [1.0, 2.0, 3.0]} | {f"x{i}": f"{'a' if i == 0 else f'x{i - 1}'} + {i + 1}" for i in range(10)}

# What is computed of a whole model and of a part


def test_outputs_leave_out_what_they_do_not_need() -> None:
    nodes = {"a": 2.0, "b": "a + 1", "c": "b * 2", "d": "SQRT(c)"}
    assert operation_names(compiled(3, nodes)) == ["add", "mul", "sqrt"]
    assert operation_names(compiled(3, nodes, outputs=["b"])) == ["add"]
    assert list(compiled(3, nodes, outputs=["b"]).evaluate()) == ["b"]


def test_outputs_keep_feedback_that_they_need() -> None:
    nodes = {"a": 2.0, "b": "DELAY(c, 1) + a", "c": "b * 0.5", "d": "c + 1"}
    part = compiled(4, nodes, outputs=["b"])
    assert sorted(operation_names(part)) == ["add", "mul", "shift"]
    assert part.evaluate()["b"].tolist() == compiled(4, nodes).evaluate()["b"].tolist()


def test_no_metric_operations_for_series_alone() -> None:
    flow = (10, {"a": 4.0, "c": 3.0}, station("arrivals: a, capacity: c"))
    assert summarize_plan(compiled(*flow)).metric_operations > 0
    assert summarize_plan(compiled(*flow, outputs=["q_queue"])).metric_operations == 0
    assert summarize_plan(compiled(*flow, outputs=["Q.utilization"])).metric_operations == 1


def test_rows_of_a_block_are_used_again() -> None:
    summary = summarize_plan(compiled(3, CHAIN, outputs=["x9"]))
    assert (summary.operations, summary.series, summary.block_columns) == (10, 2, 9)
    plan = compiled(3, CHAIN, outputs=["x9"]).plan
    assert plan.size == 2 * 3 + 10 + (2 + 4) * 3


@settings(max_examples=80)
@given(drafts(), st.data())
def test_outputs_are_the_same_bytes_alone_and_among_all(draft: Draft, data: st.DataObject) -> None:
    note(draft.text())
    model = parse_model(draft.text())
    whole = as_bytes(compile_model(model).evaluate())
    outputs = data.draw(st.lists(st.sampled_from(sorted(whole)), min_size=1, max_size=3, unique=True))
    block = data.draw(st.sampled_from((None, 1, 3, 7)))
    part = compile_model(model, outputs=outputs).evaluate(block_bins=block)
    assert as_bytes(part) == {name: whole[name] for name in outputs}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param({"b": "a + 1", "c": "(a + 1) * 2"}, ["add", "mul"], id="shared-part"),
        pytest.param({"b": "a + 1", "c": "a + 1"}, ["add", "copy"], id="equal-nodes"),
        pytest.param({"b": "(a * 3) / (a * 3)"}, ["mul", "div"], id="within-a-node"),
        pytest.param({"b": "a + 1", "c": "1 + a"}, ["add", "add"], id="sides-are-not-exchanged"),
        pytest.param({"b": "SHIFT(a, 1)", "c": "SHIFT(a, 2)"}, ["shift", "shift"], id="other-lag"),
        pytest.param({"b": "EMA(a, 0.5)", "c": "EMA(a, 0.25)"}, ["ema", "ema"], id="other-factor"),
        pytest.param({"b": "CONV(a, [1, 2])", "c": "1 + CONV(a, [1, 2])"}, ["conv", "add"], id="equal-taps"),
        pytest.param({"b": "a > 2", "c": "2 < a"}, ["lt", "copy"], id="exchanged-comparison"),
    ],
)
def test_equal_work_is_done_once(nodes: dict[str, str], expected: list[str]) -> None:
    assert operation_names(compiled(3, {"a": [1.0, 2.0, 3.0], **nodes})) == expected


@pytest.mark.parametrize(
    ("expression", "operations", "value"),
    [
        pytest.param("a + (2 * 3 - 1)", ["add"], 6.0, id="arithmetic"),
        pytest.param("2 * 3", ["copy"], 6.0, id="nothing-but-literals"),
        pytest.param("a + 1 / 0", ["add"], 1.0, id="division-by-0"),
        pytest.param("a * -(2)", ["mul"], -2.0, id="sign"),
        pytest.param("a * ABS(-2)", ["mul"], 2.0, id="size"),
        pytest.param("a + 2 - 2", ["add", "sub"], 1.0, id="left-to-right"),
        pytest.param("a * (1e308 * 10)", ["mul"], np.inf, id="overflow"),
    ],
)
def test_literals_are_folded(expression: str, operations: list[str], value: float) -> None:
    model = compiled(2, {"a": 1.0, "b": expression})
    assert operation_names(model) == operations
    assert model.evaluate()["b"].tolist() == [value, value]


def test_inputs_of_one_number_are_not_folded() -> None:
    model = compiled(2, {"a": 1.0, "b": "a * 2"})
    assert model.evaluate({"a": 5.0})["b"].tolist() == [10.0, 10.0]


# The queue line that authors write by hand

AVAILABLE = {"a": [3.0, 9.0, 0.0, 2.0, 7.0], "c": 4.0, "avail": "a + SHIFT(q, 1)"}
LINE = station("arrivals: a, served: s, queueDepth: q")
SEED = station("arrivals: a, served: s, queueDepth: q", rest=", initialCondition: {queueDepth: 5}")
NODE = {"q": "{kind: serviceWithBuffer, inflow: a, outflow: s}"}

FUSED = [
    pytest.param({**AVAILABLE, "s": "MIN(avail, c)"}, [LINE], ["line"], id="as-documented"),
    pytest.param({**AVAILABLE, "s": "MIN(c, avail)"}, [LINE], ["line"], id="capacity-first"),
    pytest.param({**AVAILABLE, "avail": "SHIFT(q, 1) + a", "s": "MIN(avail, c)"}, [LINE], ["line"], id="queue-first"),
    pytest.param({**AVAILABLE, "s": "MIN(avail, c)"}, [SEED], ["line"], id="initial-depth"),
    pytest.param(
        {"a": [3.0, 9.0, 0.0], "c": 4.0, "s": "MIN(c, a + SHIFT(q, 1))"}, [LINE], ["line"], id="in-one-expression"
    ),
    pytest.param({"a": [3.0, 9.0], "c": 4.0, "s": "MIN(a + SHIFT(q, 1), c)", **NODE}, [], ["line"], id="queue-node"),
    pytest.param(
        {**AVAILABLE, "avail": "a + DELAY(q, 1, 0)", "s": "MIN(avail, c)"}, [LINE], ["line"], id="delay-from-0"
    ),
    pytest.param(
        {**AVAILABLE, "s": "MIN(avail, c)", "old": "SHIFT(q, 1) * 2"},
        [LINE],
        ["line", "shift", "mul"],
        id="lagged-depth-read-elsewhere",
    ),
    pytest.param(
        {**AVAILABLE, "c": "a * 0.5 + 1", "s": "MIN(avail, c)"}, [LINE], ["mul", "add", "line"], id="computed-capacity"
    ),
]
APART = [
    pytest.param({**AVAILABLE, "avail": "a + SHIFT(q, 2)", "s": "MIN(avail, c)"}, LINE, id="other-lag"),
    pytest.param({**AVAILABLE, "avail": "a + DELAY(q, 1, 3)", "s": "MIN(avail, c)"}, LINE, id="other-start"),
    pytest.param({**AVAILABLE, "avail": "a - SHIFT(q, 1)", "s": "MIN(avail, c)"}, LINE, id="other-sign"),
    pytest.param({**AVAILABLE, "avail": "c + SHIFT(q, 1)", "s": "MIN(avail, c)"}, LINE, id="other-inflow"),
    pytest.param({**AVAILABLE, "s": "MAX(avail, c)"}, LINE, id="other-choice"),
    pytest.param({**AVAILABLE, "s": "MIN(avail, c, 2)"}, LINE, id="two-capacities"),
    pytest.param({**AVAILABLE, "s": "MIN(avail, avail)"}, LINE, id="no-capacity"),
    pytest.param({**AVAILABLE, "s": "MIN(avail, SHIFT(q, 1))"}, LINE, id="capacity-from-the-queue"),
    pytest.param({**AVAILABLE, "s": "MIN(avail, c) * 1"}, LINE, id="a-term-more"),
    pytest.param(
        {**AVAILABLE, "c": "4 - DELAY(s, 1) * 0.1", "s": "MIN(avail, c)"}, LINE, id="another-reader-in-the-loop"
    ),
    pytest.param(
        {**AVAILABLE, "e": 1.0, "s": "MIN(avail, c)"},
        station("arrivals: a, served: s, queueDepth: q, errors: e"),
        id="loss",
    ),
    pytest.param({**AVAILABLE, "s": "MIN(SHIFT(q, 1), c)"}, LINE, id="served-before-it-arrives"),
]
INFLOWS = [
    pytest.param([3.0, 9.0, 0.0, 2.0, 7.0], id="tame"),
    pytest.param([3.0, float("nan"), 9.0, 0.0, 7.0], id="gap"),
    pytest.param([1e149, 9.0, 1e160, 2.0, 7.0], id="large"),
    pytest.param([-3.0, 9.0, -20.0, 2.0, 7.0], id="negative"),
]


def unfused(monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, bytes]:
    """The bytes of a model whose lines stay apart."""
    with monkeypatch.context() as patch:
        patch.setattr("flowtime.engine.plan.fuse_line", lambda *_: None)
        model = compile_model(parse_model(text))
        assert "line" not in operation_names(model)
        return as_bytes(model.evaluate())


@pytest.mark.parametrize(("nodes", "stations", "expected"), FUSED)
def test_a_line_is_recognized(nodes: dict[str, str], stations: list[str], expected: list[str]) -> None:
    assert operation_names(compiled(len(nodes["a"]), nodes, *stations)) == expected


@pytest.mark.parametrize(("nodes", "stations", "expected"), FUSED)
def test_a_line_is_its_operations(
    nodes: dict[str, str], stations: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = model_text(len(nodes["a"]), nodes, *stations)
    assert as_bytes(compile_model(parse_model(text)).evaluate()) == unfused(monkeypatch, text)


@pytest.mark.parametrize("lined", [pytest.param(LINE, id="empty"), pytest.param(SEED, id="initial-depth")])
@pytest.mark.parametrize("inflow", INFLOWS)
def test_a_line_is_its_operations_on_any_inflow(
    inflow: list[float], lined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = model_text(5, {**AVAILABLE, "a": inflow, "s": "MIN(avail, c)"}, lined)
    assert as_bytes(compile_model(parse_model(text)).evaluate()) == unfused(monkeypatch, text)


@pytest.mark.parametrize(("nodes", "lined"), APART)
def test_another_loop_stays_apart(nodes: dict[str, str], lined: str) -> None:
    text = model_text(5, nodes, lined)
    model = compile_model(parse_model(text))
    assert "line" not in operation_names(model)
    assert first_difference(evaluate_model(parse_model(text)), model.evaluate()) is None


# Loops


@pytest.mark.parametrize(
    ("nodes", "stations", "ring", "line"),
    [
        pytest.param({"c": 1.0, "a": "b + c", "b": "a * 2"}, [], {"a", "b"}, 5, id="two-nodes"),
        pytest.param({"a": "a + 1"}, [], {"a"}, 4, id="itself"),
        pytest.param({"a": "b", "b": "c", "c": "a"}, [], {"a", "b", "c"}, 4, id="three-copies"),
        pytest.param({"a": "SHIFT(b, 0)", "b": "a + 1"}, [], {"a", "b"}, 4, id="shift-by-nothing"),
        pytest.param({"a": "CONV(b, [1, 2])", "b": "a + 1"}, [], {"a", "b"}, 4, id="first-tap"),
        pytest.param({"a": "EMA(a, 0.5)"}, [], {"a"}, 4, id="smoothing"),
        pytest.param({"a": "SHIFT(b, 1) + b", "b": "a"}, [], {"a", "b"}, 4, id="inside-and-outside-of-shift"),
        pytest.param({"a": 1.0, "s": "MIN(q, 2)"}, [LINE], {"s", "q"}, 5, id="queue-of-the-same-bin"),
        pytest.param(
            {"c": 1.0, "a": "q_queue + c"},
            [station("arrivals: a, capacity: c")],
            {"a", "q_queue"},
            5,
            id="arrivals-from-the-own-queue",
        ),
    ],
)
def test_a_loop_within_a_bin_is_refused_by_name(
    nodes: dict[str, str], stations: list[str], ring: set[str], line: int
) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(3, nodes, *stations)
    fault = caught.value.faults[0]
    named = fault.message.rpartition(": ")[2].split(" -> ")
    assert (fault.code, fault.line) == ("compile.same_bin_cycle", line)
    assert set(named) == ring
    assert named[0] == named[-1]


def test_every_loop_is_reported() -> None:
    with pytest.raises(CompileError) as caught:
        compiled(3, {"a": "b", "b": "a", "c": "d + 1", "d": "c + 1"})
    assert [fault.path for fault in caught.value.faults] == ["$.nodes[0]", "$.nodes[2]"]
    assert all(fault.hint and "SHIFT" in fault.hint for fault in caught.value.faults)


def test_a_loop_that_no_output_needs_is_refused_too() -> None:
    with pytest.raises(CompileError):
        compiled(3, {"a": "b", "b": "a", "c": 1.0}, outputs=["c"])


LOOPS = [
    pytest.param({"r": 100.0, "x": "r * (1 - SHIFT(y, 1))", "y": "CLAMP(x / 150, 0, 1)"}, id="shift"),
    pytest.param({"r": 100.0, "x": "r + DELAY(y, 2, 7)", "y": "x * 0.5"}, id="delay"),
    pytest.param({"r": 100.0, "x": "r + CONV(y, [0, 0.6, 0.3])", "y": "x * 0.1"}, id="conv"),
    pytest.param({"r": 100.0, "x": "r + DELAY(EMA(y, 0.5), 1)", "y": "x * 0.5"}, id="smoothed"),
    pytest.param({"r": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "x": "DELAY(x, 1) + r", "y": "CUMSUM(r)"}, id="itself"),
    pytest.param({"x": "DELAY(y, 1, 1)", "y": "DELAY(z, 1, 2) + x", "z": "x + y"}, id="two-loops-in-one"),
]


@pytest.mark.parametrize("nodes", LOOPS)
def test_feedback_is_the_oracle_in_any_order_of_the_file(nodes: dict[str, str]) -> None:
    texts = [model_text(6, dict(order)) for order in itertools.permutations(nodes.items())]
    expected = evaluate_model(parse_model(texts[0]))
    results = [compile_model(parse_model(text)).evaluate() for text in texts]
    assert [first_difference(expected, result) for result in results] == [None] * len(texts)
    assert len({tuple(sorted(as_bytes(result).items())) for result in results}) == 1


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param("{id: S, kind: queue, semantics: {arrivals: a, served: a, queueDepth: total}", id="queue-depth"),
        pytest.param("{id: total, kind: service, semantics: {arrivals: a, served: a}", id="id-of-the-station"),
    ],
)
def test_self_shift_begins_at_the_initial_condition(owner: str) -> None:
    nodes = {"a": [1.0, 2.0, 3.0], "total": "SHIFT(total, 1) + a"}
    result = compiled(3, nodes, f"{owner}, initialCondition: {{queueDepth: 10}}}}").evaluate()
    assert result["total"].tolist() == [11.0, 13.0, 16.0]


# Nothing is ever compiled for a model

MODULES = kernel_modules("compiled")


def signatures() -> dict[str, int]:
    """How many signatures each kernel has been compiled for."""
    return {
        f"{module}.{name}": len(kernel.signatures)
        for module, functions in vars(MODULES).items()
        for name, kernel in vars(functions).items()
        if hasattr(kernel, "signatures")
    }


@settings(max_examples=50)
@given(drafts(), st.floats(0.0, 50.0))
def test_no_model_and_no_sweep_compiles_a_kernel(draft: Draft, value: float) -> None:
    warm()
    before = signatures()
    model = compile_model(parse_model(draft.text()))
    result = model.evaluate({"c0": value})
    evaluate_many(model, [{"c0": value}, {}], list(result), threads=1)
    assert signatures() == before
    assert len(load_kernels().run_plan.signatures) == 1  # type: ignore[attr-defined]


def test_every_operation_has_a_name_in_descriptions() -> None:
    codes = {code for name, code in vars(op).items() if name.isupper() and not name.endswith("_FIRST")}
    assert codes == {getattr(op, name) for name in op.__all__ if not name.endswith("_FIRST")}


DESCRIBED = """\
operations: 9 of series, 1 of derived metrics
bins: 4, computed 4 at a time
columns: 9 of all bins, 4 of one block, 4 scalars
memory: 576 bytes

stage 1: series, bin by bin (feedback)
  c#9 = shift(q_queue; lag 1)
  c#11 = lt(5, c#9)
  c#12 = mul(2, c#11)
  c = sub(4, c#12)
  q_served, Q loss#15, q_queue = serve(a, c, 0)

stage 2: series, operation by operation
  beat = pulse(0; period 3, phase 1, 2.5)
  half#14 = ema(a; 0.5)
  half = div(half#14, 2)
  late = conv(beat; 0 0.5)

stage 3: derived metrics, operation by operation
  Q.utilization = ratio(q_served, c)
"""


def test_description_of_a_small_plan() -> None:
    nodes = {
        "a": [3.0, 9.0, 0.0, 2.0],
        "c": "4 - 2 * (SHIFT(q_queue, 1) > 5)",
        "beat": "PULSE(3, 1, 2.5)",
        "half": "EMA(a, 0.5) / 2",
        "late": "CONV(beat, [0, 0.5])",
    }
    outputs = ["half", "q_served", "late", "Q.utilization"]
    model = compiled(4, nodes, station("arrivals: a, capacity: c"), outputs=outputs)
    assert describe_plan(model) == DESCRIBED
    assert summarize_plan(model).feedback == (("c", "q_served", "q_queue"),)
