"""A run folder as written, read back, and checked."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowtime.bundle import Bundle, open_bundle
from flowtime.errors import RunCorruptError, RunNotFoundError
from flowtime.model import parse_model
from flowtime.storage import sha256_array, sha256_bytes
from flowtime.tracking.run_files import FLOW_LOG
from runfakes import MODEL_TEXT, NAMES, FakeEngine, a_model, files_of, hashed_files_of, simulate

CSV_FILES = {f"series/{name}@{name.upper()}@DEFAULT.csv" for name in NAMES}
PLAIN_FILES = {
    "spec.yaml", "run.json", "manifest.json", "series/index.json", "series/series.npy", "model/model.yaml",
    "model/metadata.json",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with CSV files."""
    simulate(tmp_path, run_id="one", seed=7)
    return tmp_path / "one"


def document(folder: Path, path: str) -> Any:
    return json.loads((folder / path).read_bytes())


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param("auto", PLAIN_FILES | CSV_FILES, id="auto, small"),
        pytest.param("always", PLAIN_FILES | CSV_FILES, id="always"),
        pytest.param("never", PLAIN_FILES, id="never"),
    ],
)
def test_the_folder_holds_these_files(tmp_path: Path, choice: str, expected: set[str]) -> None:
    simulate(tmp_path, run_id="one", series_csv=choice)
    assert set(files_of(tmp_path / "one")) == expected | {FLOW_LOG}


def test_auto_leaves_large_csvs_out(tmp_path: Path) -> None:
    large = MODEL_TEXT.replace("bins: 4", "bins: 1000000").replace("[1, 2, 3, 4]", "3")
    simulate(tmp_path, run_id="one", model=a_model(large))
    assert not list((tmp_path / "one" / "series").glob("*.csv"))


def test_no_file_has_a_byte_order_mark_or_a_carriage_return(folder: Path) -> None:
    texts = {path: data for path, data in hashed_files_of(folder).items() if not path.endswith(".npy")}
    assert [path for path, data in texts.items() if data.startswith(b"\xef\xbb\xbf") or b"\r" in data] == []


def test_run_json_says_what_the_run_is(folder: Path) -> None:
    run = document(folder, "run.json")
    assert run["runId"] == "one"
    assert run["grid"] == {
        "bins": 4, "binSize": 5, "binUnit": "minutes", "start": "2025-01-01T00:00:00Z",
        "timezone": "UTC", "align": "left",
    }  # fmt: skip
    assert run["series"][0] == {
        "id": "demand@DEMAND@DEFAULT", "path": "series/demand@DEMAND@DEFAULT.csv", "unit": "entities",
    }  # fmt: skip
    assert run["warnings"][0]["bins"] == [[1, 2]]


def test_the_index_describes_each_series(folder: Path) -> None:
    index = document(folder, "series/index.json")
    queue = index["series"][3]
    assert (queue["name"], queue["kind"], queue["nodeId"], queue["row"]) == ("desk_queue", "queue", "Desk", 3)
    assert (queue["componentId"], queue["classId"], queue["points"]) == ("DESK_QUEUE", "DEFAULT", 4)
    assert index["formats"]["matrix"] == {"path": "series/series.npy", "shape": [5, 4], "dtype": "<f8"}


def test_without_csv_files_none_is_advertised(tmp_path: Path) -> None:
    simulate(tmp_path, run_id="one", series_csv="never")
    bundle = open_bundle(tmp_path / "one")
    assert {series.path for series in bundle.run.series} == {None}
    assert {series.path for series in bundle.index.series} == {None}
    assert bundle.index.formats.csv is None


def test_the_manifest_lists_every_other_file_with_its_hash(folder: Path) -> None:
    files = hashed_files_of(folder)
    del files["manifest.json"]
    listed = document(folder, "manifest.json")["files"]
    expected = [{"path": path, "bytes": len(data), "hash": sha256_bytes(data)} for path, data in sorted(files.items())]
    assert listed == expected


def test_series_hashes_are_over_float64_bytes(folder: Path) -> None:
    hashes = document(folder, "manifest.json")["seriesHashes"]
    assert hashes["double@DOUBLE@DEFAULT"] == sha256_bytes(struct.pack("<4d", 2.0, 3.25, 4.5, 5.75))
    assert hashes == {entry["id"]: entry["hash"] for entry in document(folder, "series/index.json")["series"]}


def test_the_matrix_is_an_npy_file_in_the_order_of_the_index(folder: Path) -> None:
    matrix = np.load(folder / "series/series.npy")
    assert (matrix.shape, matrix.dtype, matrix.flags.c_contiguous) == ((5, 4), np.dtype("<f8"), True)
    np.testing.assert_array_equal(matrix[:, 0], [0, 1, 2, 3, 4])


def test_the_model_is_written_as_it_was_evaluated(folder: Path) -> None:
    text = (folder / "model/model.yaml").read_bytes()
    assert (folder / "spec.yaml").read_bytes() == text
    assert parse_model(text).spec.topology == a_model().spec.topology
    assert b"file:" not in text


def test_metadata_says_that_the_seed_changed_nothing(folder: Path) -> None:
    metadata = document(folder, "model/metadata.json")
    assert metadata["randomness"]["rng"] == {"kind": "pcg32", "seed": 7, "sampled": False}
    assert "Nothing was drawn" in metadata["randomness"]["note"]
    assert (metadata["templateId"], metadata["hasTelemetrySources"]) == ("adhoc-model", False)


RANDOM = """\
schemaVersion: 1
grid: {bins: 4, binSize: 5, binUnit: minutes}
classes: [{id: Gold}, {id: Basic}]
nodes:
  - {id: demand, kind: const, values: 3}
  - {id: sizes, kind: pmf, pmf: {values: [1, 2], probabilities: [0.5, 0.5]}}
traffic:
  arrivals:
    - {nodeId: demand, classId: Gold, pattern: {kind: poisson, ratePerBin: 1}}
    - {nodeId: demand, classId: Basic, pattern: {kind: poisson, ratePerBin: 2}}
    - {nodeId: demand, classId: Basic, pattern: {kind: poisson, ratePerBin: 1}}
    - {nodeId: orders, classId: Gold, pattern: {kind: constant, ratePerBin: 2}}
"""


@pytest.mark.parametrize(
    ("text", "nodes", "streams", "note"),
    [
        pytest.param(RANDOM, 2, ["sizes", "demand@Gold", "demand@Basic"], "drawn from the seed", id="random"),
        pytest.param(MODEL_TEXT, 0, [], "holds nothing random", id="nothing to draw"),
    ],
)
def test_metadata_says_what_was_drawn(tmp_path: Path, text: str, nodes: int, streams: list[str], note: str) -> None:
    simulate(tmp_path, model=a_model(text), run_id="one", sample=True)
    randomness = document(tmp_path / "one", "model/metadata.json")["randomness"]
    assert randomness["rng"] == {"kind": "pcg32", "seed": 0, "sampled": True}
    assert (randomness["sampledNodes"], randomness["sampledStreams"]) == (nodes, streams)
    assert note in randomness["note"]


def test_provenance_is_written_only_where_there_is_one(tmp_path: Path) -> None:
    simulate(tmp_path, run_id="one")
    simulate(tmp_path, run_id="two", model=a_model(MODEL_TEXT + "provenance: {generator: by-hand}"))
    assert open_bundle(tmp_path / "one").provenance is None
    provenance = open_bundle(tmp_path / "two").provenance
    assert provenance is not None
    assert provenance.authored is not None
    assert provenance.authored.generator == "by-hand"


@pytest.mark.parametrize("name", ["double", "double@DOUBLE@DEFAULT"])
@pytest.mark.parametrize("matrix", [True, False], ids=["mapped", "from CSV"])
def test_a_series_is_read_by_name_and_id(folder: Path, name: str, matrix: bool) -> None:
    (folder / "series/series.npy").rename(folder / ("series/series.npy" if matrix else "series/gone.npy"))
    values = open_bundle(folder).series(name)
    np.testing.assert_array_equal(values, [2.0, 3.25, 4.5, 5.75])
    assert not values.flags.writeable


def test_an_unknown_series_is_named(folder: Path) -> None:
    with pytest.raises(RunNotFoundError, match="has no series 'nothing'") as caught:
        open_bundle(folder).series("nothing")
    assert caught.value.code == "run.series_not_found"


def test_a_sound_run_verifies(folder: Path) -> None:
    (folder / "notes.txt").write_text("later files are nobody's business")
    open_bundle(folder).verify()


@pytest.mark.parametrize("path", sorted(PLAIN_FILES - {"manifest.json"}) + sorted(CSV_FILES)[:1])
def test_a_changed_file_is_found_with_both_hashes(folder: Path, path: str) -> None:
    data = (folder / path).read_bytes()
    changed = data[:-1] + bytes([data[-1] ^ 1])
    bundle = Bundle(folder)
    (folder / path).write_bytes(changed)
    with pytest.raises(RunCorruptError) as caught:
        bundle.verify()
    assert path in caught.value.message
    assert sha256_bytes(data) in caught.value.message
    assert sha256_bytes(changed) in caught.value.message


@pytest.mark.parametrize("path", ["model/model.yaml", "series/index.json"])
def test_a_missing_file_is_found(folder: Path, path: str) -> None:
    (folder / path).unlink()
    with pytest.raises(RunCorruptError, match=f"{path} is in the manifest but can not be read"):
        open_bundle(folder).verify()


def test_series_that_differ_from_their_hashes_are_found(folder: Path) -> None:
    bundle = open_bundle(folder)
    bundle.manifest.series_hashes["double@DOUBLE@DEFAULT"] = sha256_bytes(b"")
    with pytest.raises(RunCorruptError, match="series double@DOUBLE@DEFAULT should hash to"):
        bundle.verify()


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        pytest.param("run.json", b"{", "run.json is not what it should be", id="torn run.json"),
        pytest.param("series/index.json", b"[]", "series/index.json is not", id="wrong index"),
        pytest.param("series/series.npy", b"no array", "series/series.npy can not be read", id="no matrix"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(folder: Path, path: str, data: bytes, message: str) -> None:
    (folder / path).write_bytes(data)
    with pytest.raises(RunCorruptError, match=message):
        open_bundle(folder).series("double")


def test_a_matrix_of_another_shape_is_refused(folder: Path) -> None:
    np.save(folder / "series/series.npy", np.zeros((2, 4)))
    with pytest.raises(RunCorruptError, match=r"holds float64\(2, 4\)"):
        open_bundle(folder).series("double")


@pytest.mark.parametrize("size", [0, 3, 60, 150], ids="{} bytes".format)
def test_a_matrix_that_is_cut_short_is_refused(folder: Path, size: int) -> None:
    path = folder / "series" / "series.npy"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RunCorruptError, match=r"series\.npy can not be read: it is cut short, or no array of numbers"):
        open_bundle(folder).matrix  # noqa: B018


def test_an_index_of_rows_that_are_not_there_is_refused(folder: Path) -> None:
    path = folder / "series" / "index.json"
    path.write_text(path.read_text().replace('"row": 0', '"row": 99'))
    with pytest.raises(RunCorruptError, match=r"names rows that series/series\.npy does not have"):
        open_bundle(folder).series("double")


def test_a_folder_without_run_json_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match=r"holds no run\.json"):
        open_bundle(tmp_path)


def test_a_renamed_folder_is_refused(folder: Path) -> None:
    with pytest.raises(RunCorruptError, match="of run 'one', but the folder is 'two'"):
        open_bundle(folder.rename(folder.with_name("two")))


def test_every_nan_is_written_alike(tmp_path: Path) -> None:
    def set_nan(arrays: dict[str, NDArray[np.float64]]) -> None:
        arrays["double"] = np.array(
            [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000123, 0], dtype=np.uint64
        ).view("<f8")

    simulate(tmp_path, run_id="one", engine=FakeEngine(set_nan))
    expected = np.array([np.nan, np.nan, np.nan, 0.0])
    values = open_bundle(tmp_path / "one").series("double")
    assert values.tobytes() == expected.tobytes()
    assert open_bundle(tmp_path / "one").manifest.series_hashes["double@DOUBLE@DEFAULT"] == sha256_array(expected)


def test_a_run_without_series_can_be_read(tmp_path: Path) -> None:
    bare = MODEL_TEXT.partition("topology:")[0] + "outputs: [{series: demand, exclude: ['*']}]"
    simulate(tmp_path, run_id="one", model=a_model(bare))
    bundle = open_bundle(tmp_path / "one")
    bundle.verify()
    assert bundle.series_names == ()
