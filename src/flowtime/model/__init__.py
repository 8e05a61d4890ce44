"""What a flow is: YAML with positions -> frozen structs -> a checked model.

``load_model`` and ``parse_model`` return a ``Model`` or raise ``ModelError`` with every fault and its
place; ``dump_model`` writes one again.
"""

from __future__ import annotations

from flowtime.model.decode import decode, decode_with_faults
from flowtime.model.document import Model, canonical_bytes, dump_model, load_model, model_from_tree, parse_model
from flowtime.model.naming import Synthesized, resolve_reference, snake, synthesized
from flowtime.model.spec import (
    ConstNode,
    Edge,
    ExprNode,
    FloatArray,
    Grid,
    ModelSpec,
    Node,
    Output,
    PmfNode,
    Provenance,
    QueueNode,
    RouterNode,
    Semantics,
    SeriesFile,
    Topology,
    TopologyNode,
    Wire,
)
from flowtime.model.tree import MappingNode, NumbersNode, ScalarNode, SequenceNode, TreeNode
from flowtime.model.yaml_reader import Limits, parse_yaml

__all__ = [
    "ConstNode",
    "Edge",
    "ExprNode",
    "FloatArray",
    "Grid",
    "Limits",
    "MappingNode",
    "Model",
    "ModelSpec",
    "Node",
    "NumbersNode",
    "Output",
    "PmfNode",
    "Provenance",
    "QueueNode",
    "RouterNode",
    "ScalarNode",
    "Semantics",
    "SequenceNode",
    "SeriesFile",
    "Synthesized",
    "Topology",
    "TopologyNode",
    "TreeNode",
    "Wire",
    "canonical_bytes",
    "decode",
    "decode_with_faults",
    "dump_model",
    "load_model",
    "model_from_tree",
    "parse_model",
    "parse_yaml",
    "resolve_reference",
    "snake",
    "synthesized",
]
