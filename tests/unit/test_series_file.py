"""Values in files beside a model: what is read, and what never touches the disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowtime.errors import MissingExtraError, ModelError
from flowtime.model import FloatArray, SeriesFile, load_model, parse_model
from flowtime.model.series_file import SeriesFileFault, read_series_file

NAN = float("nan")
MODEL = """schemaVersion: 1
grid: {bins: 3, binSize: 5, binUnit: minutes}
nodes:
- {id: a, kind: const, values: {file: %s}}
"""


def read(folder: Path, name: str, content: str | bytes, column: str | None = None) -> FloatArray:
    """What is read from a file of that name and content."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_series_file(folder, SeriesFile(file=name, column=column))


def problem(folder: Path, name: str, content: str | bytes, column: str | None = None) -> tuple[str, int | None]:
    """Code, without its first parts, and line of what is wrong with a file."""
    with pytest.raises(SeriesFileFault) as caught:
        read(folder, name, content, column)
    return caught.value.code.removeprefix("model.series_file_"), caught.value.line


@pytest.mark.parametrize(
    ("text", "column", "values"),
    [
        pytest.param("bin_index,value\n0,1\n1,2.5\n", None, [1.0, 2.5], id="published-form"),
        pytest.param("value\n1\n2\n", None, [1.0, 2.0], id="one-column"),
        pytest.param("load\r\n1\r\n2\r\n", None, [1.0, 2.0], id="windows"),
        pytest.param("\ufeffload\n1\n", None, [1.0], id="byte-order-mark"),
        pytest.param("time,load,other\n10:00,1,x\n10:05,2,y\n", "load", [1.0, 2.0], id="chosen"),
        pytest.param("bin_index,load\n0,1\n1,2\n", None, [1.0, 2.0], id="the-other-column"),
        pytest.param('"load","a, b"\n"1","2"\n"3","4"\n', "a, b", [2.0, 4.0], id="quotes"),
        pytest.param("a, b\n1, 2\n3, 4\n", "b", [2.0, 4.0], id="spaces"),
        pytest.param("a,b\n1,\n2,NaN\n3,nan\n", "b", [NAN, NAN, NAN], id="gaps"),
        pytest.param('a\n1\n""\n3\n', None, [1.0, NAN, 3.0], id="gap-in-quotes"),
        pytest.param("bin_index,value\n2,3\n0,1\n", None, [1.0, NAN, 3.0], id="bins-out-of-order-and-missing"),
        pytest.param("a\n1\n2", None, [1.0, 2.0], id="no-last-line-end"),
        pytest.param("a\n1\n2\n\n\n", None, [1.0, 2.0], id="empty-lines-at-the-end"),
        pytest.param("a\n", None, [], id="no-rows"),
        pytest.param("a\n1e3\n+.5\n", None, [1000.0, 0.5], id="spellings"),
    ],
)
def test_csv(tmp_path: Path, text: str, column: str | None, values: list[float]) -> None:
    np.testing.assert_array_equal(read(tmp_path, "x.csv", text, column), values)


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        pytest.param("a\n1\nx\n3\n", None, ("value", 3), id="word"),
        pytest.param("a\n1\n1_000\n", None, ("value", 3), id="underscore"),
        pytest.param('a,b\n1,2\n3,"4,5"\n', "b", ("value", 3), id="comma-in-a-number"),
        pytest.param("a\ntrue\n", None, ("value", 2), id="truth"),
        pytest.param("a\nnull\n", None, ("value", 2), id="null"),
        pytest.param('a,b\n"x\ny",1\nz,q\n', "b", ("value", 4), id="line-behind-a-line-break"),
        pytest.param("a,b\n1,2\n3\n", "b", ("value", 3), id="short-row"),
        pytest.param("a,b\n1,2\n3,4,5\n", "b", ("value", 3), id="long-row"),
        pytest.param("bin_index,value\n0,1\n0,2\n", None, ("value", 3), id="bin-twice"),
        pytest.param("bin_index,value\n-1,1\n", None, ("value", 2), id="negative-bin"),
        pytest.param("bin_index,value\n0.5,1\n", None, ("value", 2), id="half-a-bin"),
        pytest.param("bin_index,value\n1e15,1\n", None, ("value", 2), id="bin-far-away"),
        pytest.param("a,b\n1,2\n", None, ("column", None), id="which-column"),
        pytest.param("a,b\n1,2\n", "c", ("column", None), id="no-such-column"),
        pytest.param("a,a\n1,2\n", "a", ("column", None), id="two-such-columns"),
        pytest.param("1\n2\n3\n", None, ("format", 1), id="no-header"),
        pytest.param("", None, ("format", 1), id="empty"),
        pytest.param(b"a\n\xff\n", None, ("format", None), id="not-utf-8"),
        pytest.param('a\n"1\n', None, ("format", 2), id="unclosed-quote"),
        pytest.param(f"a\n{'1' * 200_000}\n", None, ("format", 2), id="endless-cell"),
    ],
)
def test_wrong_csv(tmp_path: Path, text: str | bytes, column: str | None, expected: tuple[str, int | None]) -> None:
    assert problem(tmp_path, "x.csv", text, column) == expected


NPY: dict[str, tuple[Any, str | None, list[float] | None]] = {
    "floats": (np.array([1.0, 2.0]), None, [1.0, 2.0]),
    "integers": (np.array([1, 2], dtype=np.int16), None, [1.0, 2.0]),
    "big-endian": (np.array([1.0, NAN], dtype=">f4"), None, [1.0, NAN]),
    "column-of-a-table": (np.array([[1.0, 2.0], [3.0, 4.0]]), "1", [2.0, 4.0]),
    "table-of-one-column": (np.array([[1.0], [3.0]]), None, [1.0, 3.0]),
    "fortran-order": (np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), "0", [1.0, 3.0]),
    "record": (np.array([(1, 2.5), (3, 4.5)], dtype=[("t", "i8"), ("v", "f8")]), "v", [2.5, 4.5]),
    "table-without-a-column": (np.array([[1.0, 2.0]]), None, None),
    "column-of-a-row": (np.array([1.0]), "v", None),
    "three-dimensions": (np.zeros((2, 2, 2)), None, None),
    "text": (np.array(["a"]), None, None),
    "truth": (np.array([True]), None, None),
    "complex": (np.array([1j]), None, None),
}


@pytest.mark.parametrize("name", [name for name, case in NPY.items() if case[2] is not None])
def test_npy(tmp_path: Path, name: str) -> None:
    array, column, values = NPY[name]
    np.save(tmp_path / "x.npy", array)
    found = read_series_file(tmp_path, SeriesFile(file="x.npy", column=column))
    np.testing.assert_array_equal(found, values or [])
    assert found.dtype == np.dtype(np.float64)
    assert not found.flags.writeable


@pytest.mark.parametrize("name", [name for name, case in NPY.items() if case[2] is None])
def test_wrong_npy(tmp_path: Path, name: str) -> None:
    array, column, _ = NPY[name]
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(SeriesFileFault):
        read_series_file(tmp_path, SeriesFile(file="x.npy", column=column))


def test_npy_is_read_without_pickle(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SeriesFileFault, match="objects"):
        read_series_file(tmp_path, SeriesFile(file="x.npy"))


HEADER = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }".ljust(118)


@pytest.mark.parametrize("content", [b"", b"no numpy", HEADER], ids=["empty", "text", "shape-beyond-the-file"])
def test_broken_npy(tmp_path: Path, content: bytes) -> None:
    assert problem(tmp_path, "x.npy", content) == ("format", None)


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    from pyarrow import parquet

    parquet.write_table(arrow.table({"t": [0, 1, 2], "v": [1, None, 3]}), tmp_path / "x.parquet")
    found = read_series_file(tmp_path, SeriesFile(file="x.parquet", column="v"))
    np.testing.assert_array_equal(found, [1.0, NAN, 3.0])


@pytest.mark.parametrize("column", [None, "name", "other"])
def test_wrong_parquet_column(tmp_path: Path, column: str | None) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    from pyarrow import parquet

    parquet.write_table(arrow.table({"name": ["a"], "v": [1.0]}), tmp_path / "x.parquet")
    with pytest.raises(SeriesFileFault):
        read_series_file(tmp_path, SeriesFile(file="x.parquet", column=column))


def test_broken_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    assert problem(tmp_path, "x.parquet", b"no parquet") == ("format", None)


def test_parquet_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pyarrow"):
        read(tmp_path, "x.parquet", b"PAR1")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "path"), ("/etc/passwd.csv", "path"), ("../x.csv", "path"), ("a/../../x.csv", "path"),
        ("..\\x.csv", "path"), ("C:\\x.csv", "path"), ("C:x.csv", "path"), ("\\\\host\\x.csv", "path"),
        ("x\x00.csv", "path"), ("x\n.csv", "path"), ("x.txt", "format"), ("x", "format"), ("none.csv", "missing"),
        ("folder.csv", "missing"), ("a" * 5000 + ".csv", "missing"),
    ],
)  # fmt: skip
def test_paths_that_are_refused(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SeriesFileFault) as caught:
        read_series_file(tmp_path, SeriesFile(file=name))
    assert caught.value.code == f"model.series_file_{expected}"


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs rights there")
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "model"
    inside.mkdir()
    (tmp_path / "x.csv").write_text("a\n1\n")
    os.symlink(tmp_path / "x.csv", inside / "x.csv")
    with pytest.raises(SeriesFileFault, match="out of"):
        read_series_file(inside, SeriesFile(file="x.csv"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(SeriesFileFault, match="not a file"):
        read_series_file(tmp_path, SeriesFile(file="x.csv"))


def test_size_is_bounded_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n2\n3\n")
    with pytest.raises(SeriesFileFault, match="8 bytes"):
        read_series_file(tmp_path, SeriesFile(file="x.csv"), max_bytes=7)
    with pytest.raises(SeriesFileFault, match="3 rows"):
        read_series_file(tmp_path, SeriesFile(file="x.csv"), max_rows=2)


# In a model


def faults_of(call: Callable[[], object]) -> list[tuple[str, str | None, int | None, str | None]]:
    """Code, file, line and path of the faults of a call."""
    with pytest.raises(ModelError) as caught:
        call()
    return [(fault.code, fault.file, fault.line, fault.path) for fault in caught.value.faults]


def test_values_come_from_the_folder_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("bin_index,value\n0,1\n1,2\n2,3\n")
    (tmp_path / "m.yaml").write_text(MODEL % "data/x.csv")
    (node,) = load_model(tmp_path / "m.yaml").spec.nodes
    np.testing.assert_array_equal(getattr(node, "values"), [1.0, 2.0, 3.0])  # noqa: B009 - a const node


def test_a_wrong_cell_is_told_by_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("value\n1\nx\n3\n")
    found = faults_of(lambda: parse_model(MODEL % "x.csv", file="m.yaml", folder=tmp_path))
    assert found == [("model.series_file_value", "x.csv", 3, "$.nodes[0].values")]


def test_a_missing_file_is_told_by_the_place_in_the_model(tmp_path: Path) -> None:
    found = faults_of(lambda: parse_model(MODEL % "x.csv", file="m.yaml", folder=tmp_path))
    assert found == [("model.series_file_missing", "m.yaml", 4, "$.nodes[0].values")]


def test_the_length_of_a_file_must_be_that_of_the_grid(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("value\n1\n2\n")
    found = faults_of(lambda: parse_model(MODEL % "x.csv", file="m.yaml", folder=tmp_path))
    assert found == [("model.length_mismatch", "m.yaml", 4, "$.nodes[0].values")]
