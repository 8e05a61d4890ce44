"""The pages: what they show is really run, what they link to exists, and no name of the code is left out."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from flowtime.engine import compile_model
from flowtime.errors import CompileError
from flowtime.model import load_model, parse_model
from flowtime.model.expression.parse import BINARY_PRECEDENCE, PREFIX_PRECEDENCE
from flowtime.templates import template

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
GENERATOR = DOCS / "generate.py"


def load_generator() -> ModuleType:
    """Import ``docs/generate.py``, which is a script and no part of the package."""
    spec = importlib.util.spec_from_file_location("docs_generate", GENERATOR)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()
PAGES = [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in generate.pages()]
# The simulation that the background page compares with.
NEEDS_SIMPY = pytest.mark.skipif(importlib.util.find_spec("simpy") is None, reason="needs SimPy, of the dev extra")
SCRIPTS = [
    pytest.param(path, id=path.relative_to(EXAMPLES).as_posix(), marks=[NEEDS_SIMPY] * path.name.endswith("_simpy.py"))
    for path in sorted(EXAMPLES.rglob("*.py"))
]
# One is wrong on purpose, two are templates, one is a file of gaps.
NO_MODELS = {"wrong.yaml", "coffee-bar.yaml", "line.yaml", "outage.yaml", "gap_plan.yaml", "gaps.yaml", "model.yaml"}
MODELS = [
    pytest.param(path, id=path.relative_to(EXAMPLES).as_posix())
    for path in sorted(EXAMPLES.rglob("*.yaml"))
    if path.name not in NO_MODELS
]
HEAD = "schemaVersion: 1\ngrid: {bins: 2, binSize: 1, binUnit: hours}\n"
NODE = "nodes: [{id: x, kind: const, values: 1}]\n"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere in the checkout."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A copy of the examples, with the runs and the capture that some of them open."""
    folder: Path = generate.workplace(".", tmp_path)
    generate.run_command("flowtime run from_file.yaml --run-id monday", folder / "guides")
    generate.run_command("flowtime run shop.yaml --run-id monday", folder / "operations")
    capture = "flowtime telemetry capture --run monday --gaps outage.yaml --output captures/gapped"
    generate.run_command(capture, folder / "operations")
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_what_is(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == generate.render(page), "python docs/generate.py --write"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES)
def test_page_is_linked_from_the_index(page: Path) -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8") + "[](README.md) [](index.md)"
    assert f"({page.name})" in index or f"/{page.name})" in index


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_runs(script: Path, examples: Path) -> None:
    folder = examples / script.parent.relative_to(EXAMPLES)
    assert generate.run_command(f"python {script.name}", folder)


@pytest.mark.parametrize("path", MODELS)
def test_model_evaluates(path: Path) -> None:
    assert len(compile_model(load_model(path)).evaluate()) > 0


def test_template_of_the_guide_renders() -> None:
    rendered = template(EXAMPLES / "guides" / "coffee-bar.yaml").render({"baristas": 3})
    assert rendered.parameters["baristas"] == 3


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.name) for path in sorted(EXAMPLES.rglob("*.*")) if "__" not in str(path)]
)
def test_example_is_shown_on_a_page(path: Path) -> None:
    name = path.relative_to(EXAMPLES).as_posix()
    shown = "".join(page.read_text(encoding="utf-8") for page in generate.pages())
    assert f"<!-- begin: include {name}" in shown


def test_readme_holds_its_example_word_for_word() -> None:
    code = (EXAMPLES / "readme.py").read_text(encoding="utf-8")
    assert f"```python\n{code}```" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(code.splitlines()) <= 20


@pytest.mark.parametrize("target", ["demo", "test"])
def test_readme_starts_with_the_two_commands(target: str) -> None:
    start = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:12]
    assert any(line.startswith(f"make {target} ") for line in start)
    assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_demo_is_the_run_that_the_readme_shows() -> None:
    demo = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndemo:")[2].partition("\n\n")[0]
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "flowtime run --template-id web-frontend" in demo
    assert "$ flowtime run --template-id web-frontend" in shown


@pytest.mark.parametrize("operator", [*BINARY_PRECEDENCE, *PREFIX_PRECEDENCE])
def test_operator_is_documented(operator: str) -> None:
    assert f"`{operator}`" in (DOCS / "reference" / "expressions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "code",
    [
        "expression.too_deep",
        "model.series_file_column",
        "model.unknown_kind",
        "model.unknown_topology_node",
        "run.conflict",
        "template.parameter_range",
        "template.unknown_field",
    ],
)
def test_error_codes_are_found_in_the_source(code: str) -> None:
    assert code in generate.error_codes()


@pytest.mark.parametrize("name", ["test_wrong_models.py", "test_template_load.py", "test_expression_parse.py"])
def test_codes_that_other_tests_expect_are_documented(name: str) -> None:
    text = (ROOT / "tests" / "unit" / name).read_text(encoding="utf-8")
    expected = set(re.findall(r'"((?:model|expression|compile|template)\.[a-z_]+)"', text)) - {"model.yaml"}
    assert expected
    assert sorted(expected - generate.error_codes()) == []


@pytest.mark.parametrize(
    ("wanted", "texts"),
    [
        pytest.param({"a", "b"}, {"a": "known"}, id="name without a meaning"),
        pytest.param({"a"}, {"a": "known", "b": "gone"}, id="meaning without a name"),
    ],
)
def test_names_and_meanings_must_match(wanted: set[str], texts: dict[str, str]) -> None:
    with pytest.raises(KeyError, match="b"):
        generate.meanings("table", wanted, texts)


FILE_BOUND = (
    HEAD + NODE + "topology: {nodes: [{id: A, kind: queue, semantics: {arrivals: x, capacity: 'file:counts.csv'}}]}\n"
)


def test_no_field_is_said_to_be_refused() -> None:
    texts = [text for fields in generate.data("fields").values() for text in fields.values()]
    assert {generate.split_status(text)[0] for text in texts} == {"works", "noted"}


def test_what_is_refused_is_refused_by_name() -> None:
    with pytest.raises(CompileError) as caught:
        compile_model(parse_model(FILE_BOUND))
    assert {fault.code for fault in caught.value.faults} == {"compile.unsupported"}
    assert [fault.path for fault in caught.value.faults] == ["$.topology.nodes[0].semantics.capacity"]


def test_glossary_is_in_order_and_says_each_word_once() -> None:
    words = re.findall(r"^\| ([^|]+?) \| ", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)[2:]
    assert words == sorted(set(words))


def test_generator_checks_without_writing(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([]) == 0
    assert capsys.readouterr().err == ""
