"""Models whose semantics name files beside them, in our form and in the older one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from flowtime.cli import main
from flowtime.errors import ModelError
from flowtime.orchestration.file_references import load_with_files
from replayfakes import publish

FIXTURES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "fixtures"
OWN = Path(__file__).resolve().parents[1] / "fixtures"
OURS = """\
schemaVersion: 1
grid: {bins: 3, binSize: 5, binUnit: minutes}
nodes:
  - {id: desk_arrivals, kind: const, values: 7}
topology:
  nodes:
    - id: Desk
      kind: serviceWithBuffer
      semantics: {arrivals: "file:in.csv", capacity: "file://telemetry/limit.csv"}
"""
OLDER = """\
window: {bins: 3, binSize: 5, binUnit: minutes, startTimeUtc: "2025-10-07T00:00:00Z"}
topology:
  nodes:
    - {id: Desk, semantics: {arrivals: "file:in.csv", served: "file:in.csv", errors: null}}
    - {id: Done, kind: sink, semantics: {arrivals: "file:in.csv"}}
  edges:
    - {source: Desk, target: Done, weight: 0.5}
variables: []
constraints: []
"""
SERIES = "bin_index,value\n0,4\n1,\n2,6\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of series, which lacks the models."""
    (tmp_path / "telemetry").mkdir()
    (tmp_path / "in.csv").write_text(SERIES.replace("1,\n", "1,5\n"), encoding="utf-8")
    (tmp_path / "telemetry" / "limit.csv").write_text("bin_index,value\n0,3\n1,3\n2,3\n", encoding="utf-8")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "model.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_files_become_series_and_the_rest_is_computed(folder: Path) -> None:
    run = publish(folder, load_with_files(written(folder, OURS)), "one")
    assert run.series("desk_arrivals_1").tolist() == [4.0, 5.0, 6.0]
    assert run.series("desk_queue").tolist() == [1.0, 3.0, 6.0]
    assert (run.run.mode, run.metadata.has_telemetry_sources) == ("telemetry", True)
    assert run.metadata.telemetry_sources == ("in.csv", "telemetry/limit.csv")
    assert run.metadata.node_sources == {
        "desk_arrivals_1": "file:in.csv",
        "desk_capacity": "file://telemetry/limit.csv",
    }


def test_the_older_form_is_read(folder: Path) -> None:
    found = load_with_files(written(folder, OLDER))
    assert found is not None
    spec = found.model.spec
    assert (spec.grid.bins, spec.grid.start) == (3, "2025-10-07T00:00:00Z")
    assert [node.id for node in spec.nodes] == ["desk_arrivals", "desk_served", "done_arrivals"]
    assert spec.topology is not None
    assert [(edge.source, edge.target, edge.weight) for edge in spec.topology.edges] == [("Desk", "Done", 0.5)]


def test_a_gap_in_a_file_is_told(folder: Path) -> None:
    (folder / "in.csv").write_text(SERIES, encoding="utf-8")
    run = publish(folder, load_with_files(written(folder, OLDER)), "one")
    found = [(note.node_id, note.bins) for note in run.run.warnings if note.code == "telemetry_series_invalid"]
    assert found == [("Desk", ((1, 1),)), ("Desk", ((1, 1),)), ("Done", ((1, 1),))]


@pytest.mark.parametrize(
    ("series", "code", "place"),
    [
        pytest.param("bin_index,value\n0,4\n1,x\n2,6\n", "model.series_file_value", ("in.csv", 3), id="no number"),
        pytest.param("bin_index,value\n0,4\n", "model.length_mismatch", ("model.yaml", 4), id="too short"),
        pytest.param(None, "model.series_file_missing", ("model.yaml", 4), id="not there"),
    ],
)
def test_faults_name_file_and_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, series: str | None, code: str, place: tuple[str, int]
) -> None:
    (folder / "in.csv").unlink()
    (folder / ("other.csv" if series is None else "in.csv")).write_text(str(series), encoding="utf-8")
    written(folder, OLDER)
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError) as caught:
        load_with_files("model.yaml")
    fault = caught.value.faults[0]
    assert (fault.code, (fault.file, fault.line)) == (code, place)


@pytest.mark.parametrize("path", ["file:../in.csv", "file:/in.csv", "file://telemetry/../../in.csv"])
def test_no_reference_leads_out_of_the_folder(folder: Path, path: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_with_files(written(folder, OURS.replace("file:in.csv", path)))
    assert caught.value.code == "model.series_file_path"


def test_a_model_without_files_is_left_to_others(folder: Path) -> None:
    assert load_with_files(written(folder, OURS.replace("file:in.csv", "x").replace("file://telemetry/l", "l"))) is None


def test_the_command_runs_such_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    written(folder, OURS)
    assert main(["run", "model.yaml", "--mode", "telemetry", "--run-id", "one"]) == 0
    assert main(["run", "model.yaml"]) == 1


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the shared fixtures are not here")
@pytest.mark.parametrize(
    ("name", "nodes", "series"),
    [
        pytest.param("http-service", 1, 3, id="http-service"),
        pytest.param("order-system", 2, 6, id="order-system"),
        pytest.param("microservices", 6, 18, id="microservices"),
        pytest.param("time-travel/retry-service-time", 2, 15, id="retry-service-time"),
    ],
)
def test_fixtures_load_as_telemetry_runs(tmp_path: Path, name: str, nodes: int, series: int) -> None:
    source = load_with_files(FIXTURES / name / "model.yaml")
    run = publish(tmp_path, source, "one")
    assert (len(run.metadata.telemetry_sources), run.run.mode) == (series, "telemetry")
    assert len({entry.node_id for entry in run.index.series if entry.node_id}) == nodes
    run.verify()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The fixture that holds only files, with the model of our own that names them."""
    bare = FIXTURES / "time-travel" / "http-demo"
    if not bare.is_dir():
        pytest.skip("the shared fixtures are not here")
    shutil.copytree(bare, tmp_path / "http-demo")
    shutil.copy(OWN / "http-demo" / "model.yaml", tmp_path / "http-demo")
    return tmp_path / "http-demo"


def test_a_folder_without_a_model_loads_by_one_that_names_its_files(bare: Path, tmp_path: Path) -> None:
    run = publish(tmp_path, load_with_files(bare / "model.yaml"), "one")
    assert run.run.mode == "telemetry"
    assert run.metadata.telemetry_sources == tuple(sorted(path.name for path in bare.glob("*.csv")))
    assert len({entry.node_id for entry in run.index.series if entry.node_id}) == 2
    run.verify()


def test_the_numbers_of_such_a_folder_are_those_of_its_files(bare: Path, tmp_path: Path) -> None:
    run = publish(tmp_path, load_with_files(bare / "model.yaml"), "one")
    files = {name: bare / path.removeprefix("file:") for name, path in run.metadata.node_sources.items()}
    held = {name: run.series(name).tolist() for name in files}
    assert len(held) == 8
    assert held == {name: np.loadtxt(path, delimiter=",", skiprows=1)[:, 1].tolist() for name, path in files.items()}
