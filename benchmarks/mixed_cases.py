"""Compiling, models of every kind, classes and templates, each with its peer in the same group."""

from __future__ import annotations

import dataclasses
import graphlib
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from benchmarks.case import Case, Size, Timed, require
from benchmarks.models import chain_model
from benchmarks.models_mixed import BLOCK_NODES, mixed_model
from flowtime.engine import CompiledModel, compile_model
from flowtime.model import Model, parse_model
from flowtime.model.expression import references
from flowtime.model.spec import ConstNode, Node
from flowtime.templates import template

__all__ = ["MIXED_CASES"]

# An authored stage of the chain is so many operations before they are fused: shift, add, minimum, queue.
_STAGE_OPERATIONS = 4


def _compile(_folder: Path, size: Size, *, model: str, nodes: int) -> Timed:
    """Lower, order and lay out a model that has been read; what is timed is the first time, each time."""
    count = nodes if size == "full" else 2 * BLOCK_NODES
    text = chain_model(count, 288) if model == "chain" else mixed_model(count // BLOCK_NODES, 288)
    read = parse_model(text)

    def call() -> CompiledModel:
        compiled = compile_model(read)
        require(compiled.plan.rows > count, "a plan without rows")
        return compiled

    return Timed(call, lambda compiled: require(len(compiled.stations) == count, "another model"))


def _compile_by_python(_folder: Path, size: Size, *, nodes: int) -> Timed:
    """What Python itself takes to compile the expressions of the chain, and graphlib to sort its nodes."""
    model = parse_model(chain_model(nodes if size == "full" else 3, 8))
    texts = {node.id: node.expr for node in model.spec.nodes if hasattr(node, "expr")}
    sources = {name: [r.id for r in references(tree) if r.lag == 0] for name, tree in model.expressions.items()}

    def call() -> list[str]:
        for text in texts.values():
            compile(text, "<expression>", "eval")
        return list(graphlib.TopologicalSorter(sources).static_order())

    return Timed(call, lambda order: require(len(order) >= len(texts), "a node is missing"))


def _mixed(_folder: Path, size: Size, *, blocks: int, bins: int, classes: int, all_classed: bool = False) -> Timed:
    text = mixed_model(blocks, bins, classes=classes, all_classed=all_classed) if size == "full" else mixed_model(2, 24)
    compiled = compile_model(parse_model(text))
    expected = compiled.evaluate()["b1_done"].copy()
    evaluate = compiled.workspace().evaluate
    return Timed(evaluate, lambda result: require(bool((result["b1_done"] == expected).all()), "another result"))


def _chain_of_as_many(_folder: Path, size: Size, *, blocks: int, bins: int, classes: int) -> Timed:
    """A chain with as many operations, before fusion, as the mixed model of the same group."""
    mixed = compile_model(parse_model(mixed_model(blocks if size == "full" else 1, 24, classes=classes)))
    stages = len(mixed.flow.operations) // _STAGE_OPERATIONS
    compiled = compile_model(_stretched(parse_model(chain_model(stages, 24)), bins if size == "full" else 24))
    expected = compiled.evaluate()["q_0"].copy()
    evaluate = compiled.workspace().evaluate
    return Timed(evaluate, lambda result: require(bool((result["q_0"] == expected).all()), "another result"))


def _stretched(model: Model, bins: int) -> Model:
    """The same model with its inputs repeated over ``bins`` bins: its text would be a hundred megabytes."""

    def longer(node: Node) -> Node:
        if isinstance(node, ConstNode) and isinstance(node.values, np.ndarray):
            return msgspec.structs.replace(node, values=np.resize(node.values, bins))
        return node

    spec = model.spec
    grid = msgspec.structs.replace(spec.grid, bins=bins)
    return dataclasses.replace(
        model, spec=msgspec.structs.replace(spec, grid=grid, nodes=tuple(map(longer, spec.nodes)))
    )


def _template(_folder: Path, _size: Size, *, name: str) -> Timed:
    """Fill a template in with its defaults, check, compile and evaluate it: what an answer to a reader costs."""
    loaded = template(name)

    def call() -> Any:
        return compile_model(loaded.render().model).evaluate()

    return Timed(call, lambda result: require(len(result) > 0, "no series"))


def _read_template(_folder: Path, _size: Size, *, name: str) -> Timed:
    """What reading the text of the rendered model alone takes the C parser of PyYAML."""
    text = template(name).render().yaml()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Timed(lambda: yaml.load(text, loader), lambda tree: require("nodes" in tree, "another model"))


_BY_CLASS = partial(_mixed, blocks=10, bins=1000, all_classed=True)

MIXED_CASES: tuple[Case, ...] = (
    Case("compile_chain_1000", "compile 1000 nodes", partial(_compile, model="chain", nodes=1000)),
    Case("compile_mixed_1008", "compile 1000 nodes", partial(_compile, model="mixed", nodes=1008)),
    Case("compile_chain_1000_by_python", "compile 1000 nodes", partial(_compile_by_python, nodes=1000)),
    Case("compile_chain_20", "compile 20 nodes", partial(_compile, model="chain", nodes=20)),
    Case("compile_mixed_24", "compile 20 nodes", partial(_compile, model="mixed", nodes=24)),
    Case("compile_chain_20_by_python", "compile 20 nodes", partial(_compile_by_python, nodes=20)),
    Case("mixed_504x10000", "every kind", partial(_mixed, blocks=42, bins=10_000, classes=3)),
    Case(
        "chain_of_as_many_operations_x10000",
        "every kind",
        partial(_chain_of_as_many, blocks=42, bins=10_000, classes=3),
    ),
    Case("mixed_120x1000_of_8_classes", "classes", partial(_BY_CLASS, classes=8)),
    Case("mixed_120x1000_of_1_class", "classes", partial(_BY_CLASS, classes=1)),
    Case("mixed_120x1000_without_classes", "classes", partial(_mixed, blocks=10, bins=1000, classes=0)),
    Case("template_llm_inference", "template", partial(_template, name="llm-inference")),
    Case("template_llm_inference_yaml_alone", "template", partial(_read_template, name="llm-inference")),
)
