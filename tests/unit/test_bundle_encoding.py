"""JSON of files and of hashes."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from flowtime.bundle.encoding import canonical_hash, decode_file, encode_file
from flowtime.errors import RunCorruptError


class Document(msgspec.Struct, rename="camel"):
    """A file of three fields."""

    second_field: int = 1
    first: object = None
    table: dict[str, object] = {}


def test_a_file_is_indented_sorted_inside_and_ends_in_a_newline() -> None:
    text = encode_file(Document(first=np.array([1.0, math.nan]), table={"b": 1, "a": math.inf}))
    assert text == (
        b'{\n  "secondField": 1,\n  "first": [\n    1.0,\n    null\n  ],\n'
        b'  "table": {\n    "a": null,\n    "b": 1\n  }\n}\n'
    )


def test_a_byte_order_mark_is_passed_over() -> None:
    assert decode_file(b'\xef\xbb\xbf{"secondField": 2}', Document, file="a.json").second_field == 2


def test_a_wrong_file_names_itself_and_the_place() -> None:
    with pytest.raises(RunCorruptError, match=r"a\.json .*\$\.secondField"):
        decode_file(b'{"secondField": "x"}', Document, file="a.json")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, True, id="order"),
        pytest.param({"a": 1}, {"a": 1.0}, True, id="whole numbers"),
        pytest.param({"a": (1, 2)}, {"a": np.array([1.0, 2.0])}, True, id="arrays"),
        pytest.param({"a": np.float64(2)}, {"a": 2}, True, id="scalars of arrays"),
        pytest.param({"a": {"c": 1, "b": 2}}, {"a": {"b": 2, "c": 1}}, True, id="order inside"),
        pytest.param({"a": 1}, {"a": "1"}, False, id="text is no number"),
        pytest.param({"a": True}, {"a": 1}, False, id="truth is no number"),
        pytest.param({"a": None}, {}, False, id="nothing said"),
        pytest.param({"a": 0.1}, {"a": 0.10000000000000002}, False, id="the last bit"),
    ],
)
def test_the_meaning_decides_the_hash(left: dict[str, object], right: dict[str, object], same: bool) -> None:
    assert (canonical_hash(left) == canonical_hash(right)) is same


def test_the_hash_is_a_known_one() -> None:
    # printf '{"a":[1,null],"b":"x"}' | sha256sum
    value = {"b": "x", "a": [1.0, None]}
    assert canonical_hash(value) == "sha256:3dece6dc8d22d61692b03c7d51836aaec96fd08a614e224565e177ad6ff9dbe2"
