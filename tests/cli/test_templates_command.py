"""``flowtime templates``: what people read, what programs get, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowtime.cli import cli, main
from flowtime.model import load_model, parse_model
from flowtime.templates import list_templates
from templatefakes import template_text

SHIPPED = [info.id for info in list_templates()]
FAULTY = template_text().replace("1.2.3", "one")


def run(*words: str) -> str:
    """Run ``flowtime templates`` in this process and return what it printed; it must succeed."""
    result = CliRunner().invoke(cli, ["templates", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list() -> None:
    lines = run("list").splitlines()
    assert [line.split()[0] for line in lines] == SHIPPED
    assert lines[-1].endswith("1.0.0    Web front end under real load")


def test_list_as_json() -> None:
    listed = json.loads(run("list", "--json"))
    assert [item["id"] for item in listed] == SHIPPED
    assert listed[-1]["isShipped"] is True
    assert listed[-1]["faults"] == []


def test_list_holds_the_folder_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.yaml").write_text(template_text(), "utf-8")
    (tmp_path / "broken.yaml").write_text(FAULTY, "utf-8")
    monkeypatch.setenv("FLOWTIME_TEMPLATES_DIR", str(tmp_path))
    text = run("list")
    assert "small                1.2.3    Small" in text
    assert "broken               broken\n" in text
    assert "[template.bad_value] at $.metadata.version" in text


def test_show() -> None:
    text = run("show", "web-frontend")
    assert text.startswith("Web front end under real load (web-frontend 1.0.0)\n")
    assert "  backendWorkers: an integer from 1 to 256 (workers), default 4\n" in text
    assert "How many backend workers" in text


def test_show_says_what_is_required(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    declared = '  - {name: a, type: integer}\n  - {name: b, type: string, default: ""}\n'
    path.write_text(template_text(declared + "  - {name: c, type: boolean, default: true}\n"), "utf-8")
    text = run("show", str(path))
    assert "  a: an integer, required\n" in text
    assert "  b: a text, default ''\n" in text
    assert "  c: true or false, default true\n" in text


def test_show_as_json() -> None:
    shown = json.loads(run("show", "http-service", "--json"))
    servers = next(item for item in shown["parameters"] if item["name"] == "servers")
    assert (shown["id"], shown["start"]) == ("http-service", "2025-10-07T00:00:00Z")
    assert (servers["default"], servers["min"], servers["max"], servers["unit"]) == (4, 1.0, 512.0, "servers")


def test_render_prints_a_model() -> None:
    model = parse_model(run("render", "http-service", "--param", "servers=7", "--param", "bins=12"))
    assert model.spec.grid.bins == 12
    assert model.spec.provenance is not None
    assert model.spec.provenance.parameters["servers"] == 7


def test_render_into_a_file_that_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    assert run("render", "web-frontend", "-o", str(path)) == ""
    assert load_model(path).spec.grid.bins == 576


def test_render_with_a_parameter_file(tmp_path: Path) -> None:
    path = tmp_path / "parameters.json"
    path.write_text('{"servers": 9, "bins": 24}', "utf-8")
    shown = json.loads(run("render", "http-service", "--param-file", str(path), "--param", "bins=12", "--json"))
    assert (shown["parameters"]["servers"], shown["parameters"]["bins"]) == (9, 12)
    assert parse_model(shown["model"]).spec.grid.bins == 12
    assert shown["file"] is None


def test_show_draws_the_topology() -> None:
    text = run("show", "web-frontend")
    assert "│ Backend            │" in text
    assert text.index("How many backend workers") < text.index("WebTier") < text.index("Parameters:")


def test_show_draws_plainly_where_that_is_all_that_can_be_printed() -> None:
    result = CliRunner(charset="ascii").invoke(cli, ["templates", "show", "web-frontend"])
    assert "| Backend            |" in result.stdout


def test_show_without_the_parameters_that_the_drawing_needs(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(template_text("  - {name: a, type: integer}\n"), "utf-8")
    assert "\nno drawing: parameter 'a' has no default" in run("show", str(path))


@pytest.mark.parametrize("name", SHIPPED)
def test_validate_of_the_catalogue(name: str) -> None:
    text = run("validate", name, "--fail-on", "warning")
    report = json.loads(run("validate", name, "--json"))
    assert f"{name} is valid: 0 warnings, " in text
    assert (report["valid"], report["faults"]) == (True, [])
    assert {warning["severity"] for warning in report["warnings"]} == {"info"}


NEGATIVE = """
nodes: [{id: x, kind: const, values: -1}]
topology:
  nodes: [{id: A, semantics: {arrivals: x, served: x}}]
"""


@pytest.mark.parametrize(
    ("body", "fail_on", "status"),
    [
        pytest.param(NEGATIVE, [], 0, id="warnings are no errors"),
        pytest.param(NEGATIVE, ["--fail-on", "error"], 0, id="said in words"),
        pytest.param(NEGATIVE, ["--fail-on", "warning"], 1, id="warnings count"),
        pytest.param(NEGATIVE, ["--fail-on", "never"], 0, id="nothing counts"),
        pytest.param("\nnodes: [{id: x, kind: const}]\n", ["--fail-on", "never"], 0, id="not even faults"),
        pytest.param("\nnodes: [{id: x, kind: expr, expr: y}]\n", [], 1, id="faults are errors"),
        pytest.param("\nnodes: [{id: x, kind: expr, expr: x}]\n", [], 1, id="so is what can not be computed"),
    ],
)
def test_what_validate_fails_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, fail_on: list[str], status: int
) -> None:
    path = tmp_path / "small.yaml"
    head = "schemaVersion: 1\nmetadata: {id: small, title: Small, version: 1.0.0}\n"
    path.write_text(f"{head}grid: {{bins: 2, binSize: 1, binUnit: hours}}{body}", "utf-8")
    assert main(["templates", "validate", str(path), *fail_on]) == status


def test_validate_tells_warnings(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    head = "schemaVersion: 1\nmetadata: {id: small, title: Small, version: 1.0.0}\n"
    path.write_text(f"{head}grid: {{bins: 2, binSize: 1, binUnit: hours}}{NEGATIVE}", "utf-8")
    text = run("validate", str(path))
    codes = [warning["code"] for warning in json.loads(run("validate", str(path), "--json"))["warnings"]]
    assert "warning: A: arrivals is negative (bins 0-1; 2 in all) [arrivals_negative]\n" in text
    assert text.endswith(" is valid: 2 warnings, 1 hint\n")
    assert codes[:2] == ["arrivals_negative", "served_negative"]


def test_validate_as_json_gives_the_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(FAULTY, "utf-8")
    status = main(["templates", "validate", str(path), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (status, report["valid"]) == (1, False)
    assert (report["faults"][0]["code"], report["faults"][0]["line"]) == ("template.bad_value", 2)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        pytest.param(["show", "web-fronted"], 3, "did you mean 'web-frontend'?", id="unknown template"),
        pytest.param(["show", "none.yaml"], 3, "[template.not_found]", id="absent file"),
        pytest.param(["show", "a b"], 2, "[storage.unsafe_name]", id="unsafe id"),
        pytest.param(["render", "http-service", "--param", "servers=x"], 1, "[template.parameter_type]", id="type"),
        pytest.param(["render", "http-service", "--param", "servers=0"], 1, "[template.parameter_range]", id="range"),
        pytest.param(
            ["render", "http-service", "--param", "server=1"], 1, "did you mean 'servers'?", id="unknown name"
        ),
        pytest.param(["render", "http-service", "--param", "servers"], 2, "NAME=VALUE", id="no equals sign"),
        pytest.param(["validate", "http-service", "--param", "bins=1"], 1, "[template.parameter_range]", id="validate"),
    ],
)
def test_failures(words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["templates", *words]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


def test_a_real_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from flowtime.cli import main; sys.exit(main())", "templates", "list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "web-frontend" in done.stdout
