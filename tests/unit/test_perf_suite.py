"""Suites of performance tests: what is read, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowtime.errors import PerfError
from flowtime.tracking.perf.suite import CaseSpec, chosen, load_suite, registry_cases

HEAD = "schemaVersion: 1\ncases:\n"
CASES = tuple(CaseSpec(name=name, home="x", gate=name != "slow") for name in ("read", "read_all", "slow"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("s.yaml", "schemaVersion: 1\ncases: [{name: a, command: [app], sweeps: 3}]", id="yaml"),
        pytest.param("s.toml", 'schemaVersion = 1\n[[cases]]\nname = "a"\ncommand = ["app"]\nsweeps = 3', id="toml"),
    ],
)
def test_a_file_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    suite = load_suite(str(tmp_path / name), root=tmp_path)
    assert suite.cases == (CaseSpec(name="a", command=("app",), sweeps=3),)
    assert (suite.name, suite.cases_root, suite.registry) == ("s", tmp_path.resolve(), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("cases: [", "not valid YAML", id="no yaml"),
        pytest.param("schemaVersion: 2\ncases: []", "schemaVersion", id="another version"),
        pytest.param("schemaVersion: 1", "needs cases or a registry", id="nothing"),
        pytest.param("schemaVersion: 1\nregistry: 'a:B'\ncases: [{name: a, command: [b]}]", "not both", id="both"),
        pytest.param(HEAD + "  - {name: a}", "needs one of command", id="no way to run"),
        pytest.param(HEAD + "  - {name: a, command: [b], callable: 'c:d'}", "needs one of command", id="two ways"),
        pytest.param(HEAD + "  - {name: a, callable: 'c'}", "callable", id="no function"),
        pytest.param(HEAD + "  - {name: a/b, command: [c]}", "name", id="a name with a slash"),
        pytest.param(HEAD + "  - {name: a, command: [b], sweep: 1}", "sweep", id="unknown field"),
        pytest.param(HEAD + "  - {name: a, command: [b]}\n  - {name: a, command: [c]}", "two cases", id="one name"),
        pytest.param(
            HEAD + "  - {name: a, command: [b], guardrail: {limitsMs: {p50: 1}, probe: c}}", "no case 'c'", id="probe"
        ),
        pytest.param(HEAD + "  - {name: a, command: [b], guardrail: {limitsMs: {p42: 1}}}", "p42", id="statistic"),
    ],
)
def test_a_file_with_a_fault(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PerfError, match=message) as caught:
        load_suite(str(tmp_path / "s.yaml"), root=tmp_path)
    assert caught.value.code == "perf.suite"


@pytest.mark.parametrize(
    ("word", "code"),
    [
        pytest.param("absent.yaml", "perf.suite_not_found", id="no file"),
        pytest.param("a b", "perf.suite", id="no module"),
    ],
)
def test_what_is_no_suite(tmp_path: Path, word: str, code: str) -> None:
    with pytest.raises(PerfError) as caught:
        load_suite(word, root=tmp_path)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("folders", "told", "expected"),
    [
        pytest.param([], (), ".", id="the root"),
        pytest.param(["src"], (), "src", id="src"),
        pytest.param(["src"], ("lib",), "lib", id="told"),
    ],
)
def test_where_packages_come_from(tmp_path: Path, folders: list[str], told: tuple[str, ...], expected: str) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    assert load_suite("a.b", root=tmp_path, paths=told).import_paths(tmp_path) == (tmp_path / expected,)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        pytest.param([], ["read", "read_all"], id="those of the gate"),
        pytest.param(["*"], ["read", "read_all", "slow"], id="all"),
        pytest.param(["slow", "read"], ["read", "slow"], id="by name"),
        pytest.param(["*_*"], ["read_all"], id="by pattern"),
    ],
)
def test_cases_are_chosen(patterns: list[str], names: list[str]) -> None:
    assert [case.name for case in chosen(CASES, patterns)] == names


def test_a_pattern_without_a_case() -> None:
    with pytest.raises(PerfError, match="no case is called 'raed'") as caught:
        chosen(CASES, ["raed"])
    assert caught.value.hint == "did you mean 'read'?"


def test_a_registry_that_says_nonsense() -> None:
    with pytest.raises(PerfError, match="callsPerTurn"):
        registry_cases([{"name": "a", "home": "b", "calls_per_turn": "many"}])
