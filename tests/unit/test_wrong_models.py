"""Wrong models: each with every fault that it must be told of, and where."""

from __future__ import annotations

from typing import TypeAlias

import pytest

from flowtime.errors import ModelError
from flowtime.model import parse_model

Place: TypeAlias = tuple[str, int, int, str]

GRID = "schemaVersion: 1\ngrid: {bins: 3, binSize: 5, binUnit: minutes}\n"
AFTER_VERSION = "grid: {bins: 3, binSize: 5, binUnit: minutes}\n"
CONST = "nodes:\n- {id: a, kind: const, values: [1, 2, 3]}\n"
TOPOLOGY = "topology:\n  nodes:\n"
STATION = "  - {id: S, semantics: {arrivals: a, served: a}}\n"

WRONG = [
    pytest.param(
        "grid: {bins: 3, binSize: 5, binUnit: minutes}\n" + CONST,
        [("model.missing_field", 1, 1, "$")],
        id="no-schema-version",
    ),
    pytest.param(
        "schemaVersion: 2\n" + AFTER_VERSION + CONST,
        [("model.bad_value", 1, 16, "$.schemaVersion")],
        id="other-schema-version",
    ),
    pytest.param(
        "schemaVersion: '1'\n" + AFTER_VERSION + CONST,
        [("model.wrong_type", 1, 17, "$.schemaVersion")],
        id="quoted-schema-version",
    ),
    pytest.param(GRID, [("model.missing_field", 1, 1, "$")], id="no-nodes"),
    pytest.param(GRID + "nodes: []\n", [("model.out_of_range", 3, 8, "$.nodes")], id="empty-nodes"),
    pytest.param("", [("model.missing_field", 1, 1, "$")], id="empty-document"),
    pytest.param("- 1\n", [("model.wrong_type", 1, 1, "$")], id="a-list"),
    pytest.param(
        GRID + CONST + "window: {bins: 3}\n", [("model.unknown_field", 5, 1, "$.window")], id="window-at-root"
    ),
    pytest.param(
        "schemaVersion: 1\ngrid: {bins: 0, binSize: 5, binUnit: minutes}\n" + CONST,
        [("model.out_of_range", 2, 14, "$.grid.bins")],
        id="bins-zero",
    ),
    pytest.param(
        "schemaVersion: 1\ngrid: {bins: 10000001, binSize: 5, binUnit: minutes}\n" + CONST,
        [("model.out_of_range", 2, 14, "$.grid.bins")],
        id="bins-too-many",
    ),
    pytest.param(
        "schemaVersion: 1\ngrid: {bins: many, binSize: 5, binUnit: minutes}\n" + CONST,
        [("model.wrong_type", 2, 14, "$.grid.bins")],
        id="bins-text",
    ),
    pytest.param(
        "schemaVersion: 1\ngrid: {bins: 0x10, binSize: 5, binUnit: minutes}\n" + CONST,
        [("model.wrong_type", 2, 14, "$.grid.bins")],
        id="bins-octal",
    ),
    pytest.param(
        "schemaVersion: 1\ngrid: {bins: 3.5, binSize: 5, binUnit: minutes}\n" + CONST,
        [("model.wrong_type", 2, 14, "$.grid.bins")],
        id="bins-fraction",
    ),
    pytest.param(
        "schemaVersion: 1\ngrid: {bins: 3, binSize: 5, binUnit: minute}\n" + CONST,
        [("model.bad_value", 2, 38, "$.grid.binUnit")],
        id="bin-unit",
    ),
    pytest.param(
        "schemaVersion: 1\ngrid: {bins: 3, binSize: 5, binUnit: minutes, startTimeUtc: 2025-01-01T00:00:00Z}\n" + CONST,
        [("model.unknown_field", 2, 47, "$.grid.startTimeUtc")],
        id="start-time-utc",
    ),
    pytest.param(
        "schemaVersion: 1\ngrid: {bins: 3, binSize: 5, binUnit: minutes, start: yesterday}\n" + CONST,
        [("model.bad_value", 2, 54, "$.grid.start")],
        id="start-no-date",
    ),
    pytest.param(GRID + CONST + "nodes: []\n", [("model.duplicate_field", 5, 1, "$.nodes")], id="duplicate-field"),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: 1, id: b}\n",
        [("model.duplicate_field", 4, 35, "$.nodes[0].id")],
        id="duplicate-key-in-node",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: cosnt, values: 1}\n",
        [("model.unknown_kind", 4, 17, "$.nodes[0].kind")],
        id="unknown-kind",
    ),
    pytest.param(GRID + "nodes:\n- {id: a, values: 1}\n", [("model.missing_field", 4, 3, "$.nodes[0]")], id="no-kind"),
    pytest.param(
        GRID + "nodes:\n- {kind: const, values: 1}\n", [("model.missing_field", 4, 3, "$.nodes[0]")], id="no-id"
    ),
    pytest.param(
        GRID + "nodes:\n- {id: 1a, kind: const, values: 1}\n", [("model.bad_value", 4, 8, "$.nodes[0].id")], id="bad-id"
    ),
    pytest.param(
        GRID + "nodes:\n- {id: , kind: const, values: 1}\n",
        [("model.missing_field", 4, 8, "$.nodes[0].id")],
        id="null-id",
    ),
    pytest.param(GRID + "nodes:\n- a\n", [("model.wrong_type", 4, 3, "$.nodes[0]")], id="node-is-text"),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const}\n", [("model.missing_field", 4, 3, "$.nodes[0]")], id="values-missing"
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: [1, 2]}\n",
        [("model.length_mismatch", 4, 32, "$.nodes[0].values")],
        id="values-short",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: [1, x, 3]}\n",
        [("model.wrong_type", 4, 36, "$.nodes[0].values[1]")],
        id="values-text",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: [1, null, 3]}\n",
        [("model.missing_field", 4, 36, "$.nodes[0].values[1]")],
        id="values-null",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: [1, .inf, 3]}\n",
        [("model.out_of_range", 4, 36, "$.nodes[0].values[1]")],
        id="values-infinite",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: [1, 1e999, 3]}\n",
        [("model.out_of_range", 4, 36, "$.nodes[0].values[1]")],
        id="values-overflow",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: .nan}\n",
        [("model.out_of_range", 4, 32, "$.nodes[0].values")],
        id="values-scalar-nan",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: five}\n",
        [("model.wrong_type", 4, 32, "$.nodes[0].values")],
        id="values-word",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: {file: a.csv}}\n",
        [("model.series_file", 4, 32, "$.nodes[0].values")],
        id="values-file-without-folder",
    ),
    pytest.param(
        GRID + CONST + "- {id: a, kind: const, values: 1}\n",
        [("model.duplicate_id", 5, 8, "$.nodes[1].id")],
        id="duplicate-id",
    ),
    pytest.param(
        GRID + CONST + "- {id: e, kind: expr, expression: a}\n",
        [("model.unknown_field", 5, 23, "$.nodes[1].expression")],
        id="expression-spelling",
    ),
    pytest.param(
        GRID + CONST + "- {id: e, kind: expr, expr: a, values: 1}\n",
        [("model.unknown_field", 5, 32, "$.nodes[1].values")],
        id="values-in-expr",
    ),
    pytest.param(
        GRID + CONST + "- {id: e, kind: expr, expr: ''}\n",
        [("model.bad_value", 5, 30, "$.nodes[1].expr")],
        id="expr-empty",
    ),
    pytest.param(
        GRID + CONST + "- {id: e, kind: expr, expr: a +}\n",
        [("expression.syntax", 5, 32, "$.nodes[1].expr")],
        id="expr-syntax",
    ),
    pytest.param(
        GRID + CONST + '- {id: e, kind: expr, expr: "a $ 2"}\n',
        [("expression.syntax", 5, 32, "$.nodes[1].expr")],
        id="expr-quoted-syntax",
    ),
    pytest.param(
        GRID + CONST + "- {id: e, kind: expr, expr: a + arivals}\n- {id: arrivals, kind: const, values: 1}\n",
        [("model.unknown_series", 5, 33, "$.nodes[1].expr")],
        id="expr-unknown-series",
    ),
    pytest.param(
        GRID + CONST + "- id: e\n  kind: expr\n  expr: |\n    a +\n    nothing\n",
        [("model.unknown_series", 9, 5, "$.nodes[1].expr")],
        id="expr-block",
    ),
    pytest.param(
        GRID + CONST + "- {id: e, kind: expr, expr: 'MIM(a, 2)'}\n",
        [("expression.unknown_function", 5, 30, "$.nodes[1].expr")],
        id="expr-unknown-function",
    ),
    pytest.param(
        GRID + CONST + "- {id: e, kind: expr, expr: 'a + SHIFT(e, 1)'}\n",
        [("model.self_shift_requires_initial_condition", 5, 40, "$.nodes[1].expr")],
        id="self-shift",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: p, kind: pmf, pmf: {values: [1, 2], probabilities: [1.0]}}\n",
        [("model.length_mismatch", 4, 27, "$.nodes[0].pmf")],
        id="pmf-lengths",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: p, kind: pmf, pmf: {values: [1, 2], probabilities: [0.5, 0.4]}}\n",
        [("model.pmf_sum", 4, 59, "$.nodes[0].pmf.probabilities")],
        id="pmf-sum",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: p, kind: pmf, pmf: {values: [1, 1], probabilities: [0.5, 0.5]}}\n",
        [("model.duplicate_value", 4, 40, "$.nodes[0].pmf.values[1]")],
        id="pmf-twice",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: p, kind: pmf, pmf: {values: [1, 2], probabilities: [1.5, -0.5]}}\n",
        [
            ("model.out_of_range", 4, 60, "$.nodes[0].pmf.probabilities[0]"),
            ("model.out_of_range", 4, 65, "$.nodes[0].pmf.probabilities[1]"),
        ],
        id="pmf-probability",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]}, profile: {name: weekday}}\n",
        [("model.unknown_profile", 4, 78, "$.nodes[0].profile.name")],
        id="profile-name",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]},\n"
        "   profile: {name: three-shift, days: [1, 1]}}\n",
        [("model.length_mismatch", 5, 39, "$.nodes[0].profile.days")],
        id="profile-days",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]},\n"
        "   profile: {name: three-shift, days: [1, 1, 1, 1, 1, -1, 1]}}\n",
        [("model.out_of_range", 5, 55, "$.nodes[0].profile.days[5]")],
        id="profile-negative-day",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: p, kind: pmf, pmf: {values: [1], probabilities: [1]},\n"
        "   profile: {kind: inline, weights: [1, 2]}}\n",
        [("model.length_mismatch", 5, 37, "$.nodes[0].profile.weights")],
        id="profile-weights",
    ),
    pytest.param(
        GRID + CONST + "- {id: r, kind: router, inputs: {queue: a}, routes: [{target: x}]}\n",
        [("model.missing_field", 5, 54, "$.nodes[1].routes[0]")],
        id="router-no-weight",
    ),
    pytest.param(
        GRID + CONST + "- {id: r, kind: router, inputs: {queue: a}, routes: []}\n",
        [("model.out_of_range", 5, 53, "$.nodes[1].routes")],
        id="router-no-routes",
    ),
    pytest.param(
        GRID + CONST + "- {id: r, kind: router, inputs: {queue: b}, routes: [{target: x, weight: 1}]}\n",
        [("model.unknown_series", 5, 41, "$.nodes[1].inputs.queue")],
        id="router-unknown-queue",
    ),
    pytest.param(
        GRID
        + CONST
        + "- {id: r, kind: router, inputs: {queue: a}, routes: [{target: x, classes: [A]},\n"
        + "  {target: y, classes: [A]}]}\n"
        + "classes: [{id: A}]\n",
        [("model.duplicate_class", 6, 25, "$.nodes[1].routes[1].classes[0]")],
        id="router-class-twice",
    ),
    pytest.param(
        GRID + CONST + "- {id: r, kind: router, inputs: {queue: a}, routes: [{target: 'x y', weight: 1}]}\n",
        [("model.bad_value", 5, 64, "$.nodes[1].routes[0].target")],
        id="router-target",
    ),
    pytest.param(
        GRID + CONST + "- {id: q, kind: serviceWithBuffer, inflow: b, outflow: a}\n",
        [("model.unknown_series", 5, 44, "$.nodes[1].inflow")],
        id="queue-inflow",
    ),
    pytest.param(
        GRID + CONST + "- {id: q, kind: serviceWithBuffer, inflow: a, outflow: a, wipLimit: 3}\n",
        [("model.unknown_field", 5, 59, "$.nodes[1].wipLimit")],
        id="wip-limit-in-nodes",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, semantics: {arrivals: b, served: a}}\n",
        [("model.unknown_series", 7, 35, "$.topology.nodes[0].semantics.arrivals")],
        id="semantics-unknown",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, semantics: {arrivals: a, served: a, parallelism: lanes}}\n",
        [("model.unknown_series", 7, 62, "$.topology.nodes[0].semantics.parallelism")],
        id="semantics-parallelism",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, kind: service, semantics: {arrivals: a, served: a, queueDepth: self}}\n",
        [("model.unknown_series", 7, 76, "$.topology.nodes[0].semantics.queueDepth")],
        id="semantics-self-without-buffer",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, kind: service, semantics: {arrivals: a}}\n",
        [("model.missing_served", 7, 39, "$.topology.nodes[0].semantics")],
        id="missing-served",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, kind: service, semantics: {served: a}}\n",
        [("model.missing_arrivals", 7, 39, "$.topology.nodes[0].semantics")],
        id="missing-arrivals",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, kind: service}\n",
        [("model.missing_field", 7, 5, "$.topology.nodes[0]")],
        id="missing-semantics",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, kind: servise, semantics: {arrivals: a, served: a}}\n",
        [("model.bad_value", 7, 19, "$.topology.nodes[0].kind")],
        id="topology-kind",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + STATION + STATION,
        [("model.duplicate_id", 8, 10, "$.topology.nodes[1].id")],
        id="topology-duplicate",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, semantics: {arrivals: a, served: a}, constraints: [db]}\n",
        [("model.unknown_constraint", 7, 64, "$.topology.nodes[0].constraints[0]")],
        id="unknown-constraint",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + STATION + "  edges: [{from: S, to: X}]\n",
        [("model.unknown_topology_node", 8, 25, "$.topology.edges[0].to")],
        id="edge-unknown",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + STATION + "  edges: [{source: S, target: S}]\n",
        [
            ("model.unknown_field", 8, 12, "$.topology.edges[0].source"),
            ("model.unknown_field", 8, 23, "$.topology.edges[0].target"),
        ],
        id="edge-source-target",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + STATION + "  edges: [{from: S, to: S, lag: -1}]\n",
        [("model.out_of_range", 8, 33, "$.topology.edges[0].lag")],
        id="edge-lag",
    ),
    pytest.param(
        GRID
        + CONST
        + TOPOLOGY
        + "  - {id: S, semantics: {arrivals: a, served: a}, initialCondition: {queueDepth: -1}}\n",
        [("model.out_of_range", 7, 81, "$.topology.nodes[0].initialCondition.queueDepth")],
        id="initial-negative",
    ),
    pytest.param(
        GRID
        + CONST
        + TOPOLOGY
        + "  - {id: S, kind: queue, semantics: {arrivals: a, served: a},\n"
        + "    dispatchSchedule: {kind: periodic, periodBins: 2}}\n",
        [("model.bad_value", 8, 30, "$.topology.nodes[0].dispatchSchedule.kind")],
        id="dispatch-kind",
    ),
    pytest.param(
        GRID
        + CONST
        + TOPOLOGY
        + "  - {id: S, kind: queue, semantics: {arrivals: a, served: a},\n"
        + "    dispatchSchedule: {periodBins: 2, capacitySeries: b}}\n",
        [("model.unknown_series", 8, 55, "$.topology.nodes[0].dispatchSchedule.capacitySeries")],
        id="dispatch-capacity",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + "  - {id: S, kind: queue, semantics: {arrivals: a, served: a}, wipLimitSeries: b}\n",
        [("model.unknown_series", 7, 79, "$.topology.nodes[0].wipLimitSeries")],
        id="wip-series",
    ),
    pytest.param(
        GRID
        + CONST
        + TOPOLOGY
        + "  - {id: S, kind: queue, semantics: {arrivals: a, served: a}, wipLimit: 1, wipOverflow: X}\n",
        [("model.unknown_topology_node", 7, 89, "$.topology.nodes[0].wipOverflow")],
        id="overflow-unknown",
    ),
    pytest.param(
        GRID
        + CONST
        + TOPOLOGY
        + "  - {id: P, kind: queue, semantics: {arrivals: a, served: a},\n"
        + "    wipLimit: 1, wipOverflow: Q}\n"
        + "  - {id: Q, kind: queue, semantics: {arrivals: a, served: a},\n"
        + "    wipLimit: 1, wipOverflow: P}\n",
        [("model.overflow_cycle", 8, 31, "$.topology.nodes[0].wipOverflow")],
        id="overflow-cycle",
    ),
    pytest.param(
        GRID
        + CONST
        + TOPOLOGY
        + "  - {id: P, kind: queue, semantics: {arrivals: a, served: a, queueDepth: q}}\n"
        + "  - {id: Q, kind: queue, semantics: {arrivals: a, served: a, queueDepth: q}}\n",
        [("model.duplicate_series", 8, 74, "$.topology.nodes[1].semantics.queueDepth")],
        id="queue-claimed-twice",
    ),
    pytest.param(
        GRID + CONST + TOPOLOGY + STATION + "  constraints: [{id: db, semantics: {arrivals: a, served: b}}]\n",
        [("model.unknown_series", 8, 59, "$.topology.constraints[0].semantics.served")],
        id="constraint-series",
    ),
    pytest.param(
        GRID
        + CONST
        + "classes: [{id: Gold}]\ntraffic: {arrivals: [{nodeId: a, classId: Glod, pattern: {kind: constant}}]}\n",
        [("model.unknown_class", 6, 43, "$.traffic.arrivals[0].classId")],
        id="traffic-class",
    ),
    pytest.param(
        GRID + CONST + "classes: [{id: Gold}]\ntraffic: {arrivals: [{nodeId: a, pattern: {kind: constant}}]}\n",
        [("model.missing_field", 6, 22, "$.traffic.arrivals[0]")],
        id="traffic-no-class",
    ),
    pytest.param(
        GRID + CONST + "traffic: {arrivals: [{nodeId: a, classId: Gold, pattern: {kind: constant}}]}\n",
        [("model.unknown_class", 5, 43, "$.traffic.arrivals[0].classId")],
        id="traffic-undeclared",
    ),
    pytest.param(
        GRID + CONST + "traffic: {arrivals: [{nodeId: b, pattern: {kind: constant}}]}\n",
        [("model.unknown_series", 5, 31, "$.traffic.arrivals[0].nodeId")],
        id="traffic-node",
    ),
    pytest.param(
        GRID + CONST + "traffic: {arrivals: [{nodeId: 'b c', pattern: {kind: constant, ratePerBin: 2}}]}\n",
        [("model.bad_value", 5, 32, "$.traffic.arrivals[0].nodeId")],
        id="traffic-name",
    ),
    pytest.param(
        GRID + CONST + "traffic: {arrivals: [{nodeId: a, pattern: {kind: constant, ratePerBin: -2, rate: -1}}]}\n",
        [
            ("model.out_of_range", 5, 72, "$.traffic.arrivals[0].pattern.ratePerBin"),
            ("model.out_of_range", 5, 82, "$.traffic.arrivals[0].pattern.rate"),
        ],
        id="traffic-negative-rate",
    ),
    pytest.param(
        GRID
        + CONST
        + "- {id: r, kind: router, inputs: {queue: a}, routes: [{target: x, weight: 1}]}\n"
        + "traffic: {arrivals: [{nodeId: x, pattern: {kind: constant, ratePerBin: 2}}]}\n",
        [("model.duplicate_series", 6, 31, "$.traffic.arrivals[0].nodeId")],
        id="traffic-at-a-routers-target",
    ),
    pytest.param(
        GRID + CONST + "classes: [{id: A}, {id: A}]\n",
        [("model.duplicate_id", 5, 25, "$.classes[1].id")],
        id="class-twice",
    ),
    pytest.param(
        GRID + CONST + "outputs: [{series: b}]\n",
        [("model.unknown_series", 5, 20, "$.outputs[0].series")],
        id="output-unknown",
    ),
    pytest.param(
        GRID + CONST + "outputs: [{series: b/*}]\n",
        [("model.unknown_series", 5, 20, "$.outputs[0].series")],
        id="output-prefix",
    ),
    pytest.param(
        GRID + CONST + "outputs: [{series: '*', as: a.csv}]\n",
        [("model.bad_value", 5, 29, "$.outputs[0].as")],
        id="one-file-for-many",
    ),
    pytest.param(
        GRID + CONST + "outputs: [{series: a, as: ../a.csv}]\n",
        [("model.bad_value", 5, 27, "$.outputs[0].as")],
        id="output-as",
    ),
    pytest.param(GRID + CONST + "rng: {seed: -1}\n", [("model.out_of_range", 5, 13, "$.rng.seed")], id="rng-seed"),
    pytest.param(
        GRID + CONST + "provenance: {generatedAt: soon}\n",
        [("model.bad_value", 5, 27, "$.provenance.generatedAt")],
        id="provenance-date",
    ),
    pytest.param(
        GRID + "nodes:\n- &n {id: a, kind: const, values: 1}\n- {<<: *n, id: b}\n",
        [("model.yaml_merge_key", 5, 4, '$.nodes[1]["<<"]')],
        id="merge-key",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: !!python/tuple [1, 2, 3]}\n",
        [("model.yaml_tag", 4, 32, "$.nodes[0].values")],
        id="tag",
    ),
    pytest.param(
        GRID + "nodes:\n- {id: a, kind: const, values: [1, 2\n",
        [("model.yaml_syntax", 5, 1, "$.nodes[0].values[2]")],
        id="unclosed",
    ),
    pytest.param(GRID + "nodes:\n\t- {id: a}\n", [("model.yaml_syntax", 4, 1, "$.nodes")], id="tab"),
    pytest.param(GRID + CONST + "---\na: 1\n", [("model.yaml_documents", 5, 1, "$")], id="two-documents"),
    pytest.param(
        GRID
        + CONST
        + "classes: [{id: Gold}]\n"
        + TOPOLOGY
        + "  - {id: S, semantics: {arrivals: a@Silver, served: a}}\n",
        [("model.unknown_class", 8, 35, "$.topology.nodes[0].semantics.arrivals")],
        id="class-of-reference",
    ),
]


def places(error: ModelError) -> list[Place]:
    """Code, line, column and path of each fault."""
    return [(fault.code, fault.line or 0, fault.column or 0, fault.path or "") for fault in error.faults]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_every_fault_has_its_code_and_place(text: str, expected: list[Place]) -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(text, file="m.yaml")
    assert places(caught.value) == expected
    assert all(fault.file == "m.yaml" for fault in caught.value.faults)


HINTS = [
    pytest.param(GRID + CONST + "- {id: e, kind: expr, expression: a}\n", "did you mean 'expr'?", id="renamed"),
    pytest.param(GRID + CONST + "outptus: []\n", "did you mean 'outputs'?", id="misspelt"),
    pytest.param(GRID + CONST + "bins: 3\n", "it belongs in grid", id="in-another-mapping"),
    pytest.param(GRID + CONST + "zebra: 3\n", "the fields here are", id="nowhere"),
    pytest.param(GRID + CONST + "edges: []\n", "it belongs in topology.edges", id="in-topology"),
    pytest.param(
        GRID + CONST + "- {id: e, kind: expr, expr: aa}\n", "did you mean 'a'?", id="series-of-another-spelling"
    ),
    pytest.param(GRID + CONST.replace("const", "Const"), "did you mean 'const'?", id="kind-in-another-case"),
    pytest.param(GRID.replace("3", "'3'") + CONST, "take the quotes away", id="number-in-quotes"),
]


@pytest.mark.parametrize(("text", "hint"), HINTS)
def test_the_first_fault_says_what_to_do(text: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert hint in (caught.value.faults[0].hint or "")


def test_faults_of_all_stages_come_together_in_the_order_of_the_file() -> None:
    text = (
        "schemaVersion: 1\ngrid: {bins: 3, binSize: 5, binUnit: minutes, start: soon}\nzebra: 1\nnodes:\n"
        "- {id: a, kind: const, values: [1, 2]}\n- {id: e, kind: expr, expr: a +}\noutputs: [{series: b}]\n"
    )
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert [fault.code for fault in caught.value.faults] == [
        "model.bad_value",
        "model.unknown_field",
        "model.length_mismatch",
        "expression.syntax",
        "model.unknown_series",
    ]


def test_a_node_that_can_not_be_read_hides_no_other_fault() -> None:
    text = (
        f"{GRID}nodes:\n- {{id: a, kind: const, values: [1, 2]}}\n- {{id: b, kind: expr}}\n- {{kind: const}}\n"
        "- {id: e, kind: expr, expr: a + b + c}\n"
        "topology:\n  nodes:\n  - {id: Q, kind: queue}\n"
        "  - {id: S, semantics: {arrivals: q_queue, served: d}}\n"
    )
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert [(fault.code, fault.line) for fault in caught.value.faults] == [
        ("model.length_mismatch", 4),
        ("model.missing_field", 5),
        ("model.missing_field", 6),
        ("model.missing_field", 6),
        ("model.unknown_series", 7),
        ("model.missing_field", 10),
        ("model.unknown_series", 11),
    ]


def test_what_follows_from_a_wrong_field_is_no_second_fault() -> None:
    text = GRID + CONST + TOPOLOGY + "  - {id: S, kind: service, semantics: {arrivals: a, served: [a]}}\n"
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert [fault.code for fault in caught.value.faults] == ["model.wrong_type"]


def test_both_lengths_are_said() -> None:
    with pytest.raises(ModelError, match="2 values for 3 bins"):
        parse_model(GRID + "nodes:\n- {id: a, kind: const, values: [1, 2]}\n")


def test_the_faults_of_a_wrong_column_are_bounded() -> None:
    values = ", ".join(["x"] * 500)
    text = f"{GRID}nodes:\n- {{id: a, kind: const, values: [{values}]}}\n"
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert len(caught.value.faults) == 11
