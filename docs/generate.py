"""Fills in what the pages show of the code: ``python docs/generate.py --write``; without it, only check.

A page holds blocks between ``<!-- begin: KIND ARGUMENTS -->`` and ``<!-- end -->``.  What is between them
is made here: files of ``docs/examples`` word for word, the output of commands that are really run, and
tables of everything that has a name in the code (functions, settings, fields, codes).  What the code can
not say about a name, its meaning, stands in ``docs/data/*.toml``; a name without a meaning is an error,
and so is a meaning without a name.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import json
import os
import re
import runpy
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
SOURCE = ROOT / "src" / "flowtime"

BLOCK = re.compile(r"<!-- begin: (?P<kind>\w+) ?(?P<words>[^\n]*?) -->\n.*?<!-- end -->", re.DOTALL)
LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".csv": "text",
    ".toml": "toml",
    ".json": "json",
    ".jsonl": "json",
    ".sh": "sh",
}
STATUSES = ("works", "noted")
SIMPLE: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "`true` or `false`",
    object: "anything",
    Any: "anything",
}
# Texts with a meaning of their own, by how their description starts.
DESCRIBED = {"A series:": "series", "Id of": "id", "SHA-256": "hash", "Time in UTC": "time"}

# Calls that make a code out of a word: function or method name -> modules (stems) -> prefix.
CODE_CALLS: Mapping[tuple[str, str], str] = {
    ("check", "add"): "model.",
    ("check_topology", "add"): "model.",
    ("report", "add"): "model.",
    ("decode", "add"): "model.",
    ("scalars", "add"): "model.",
    ("series_file", "SeriesFileFault"): "model.series_file_",
    ("parameters", "_Unfit"): "template.",
    ("check_topology", "check_known"): "model.unknown_",
    ("check", "check_known"): "model.unknown_",
    ("decode", "ChoiceReader"): "model.",
}
CODE = re.compile(
    r"(?:model|expression|compile|template|parameter|storage|run|settings|usage|extra|flowtime|document|telemetry|gaps|state|perf)\.[a-z_]+"
)
# What looks like a code and is a file or a module.
NO_CODES = frozenset(
    {"flowtime.toml", "run.json", "model.yaml", "perf.json", "perf.md", "perf.xml"}
    | {f"flowtime.{path.stem}" for path in SOURCE.iterdir()}
)
WARNING = re.compile(r"[a-z]+([_-][a-z]+)+_?")


def main(arguments: list[str]) -> int:
    """Write every page anew, or say which are not up to date; return the exit status."""
    warm_kernels()
    made = {page: render(page) for page in pages()}
    stale = [page for page, text in made.items() if text != page.read_text(encoding="utf-8")]
    if arguments == ["--write"]:
        for page in stale:
            page.write_text(made[page], encoding="utf-8", newline="\n")
        return 0
    for page in stale:
        sys.stderr.write(f"{page.relative_to(ROOT)} is not up to date: python docs/generate.py --write\n")
    return 1 if stale else 0


def pages() -> list[Path]:
    """Return the README and every page below ``docs``."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def render(page: Path) -> str:
    """Return the text of a page with every block filled in; commands of one page share a folder."""
    text = page.read_text(encoding="utf-8")
    if "<!-- begin:" not in text:
        return text
    with tempfile.TemporaryDirectory() as name:
        return BLOCK.sub(lambda match: _filled(match, Path(name)), text)


def _filled(match: re.Match[str], scratch: Path) -> str:
    kind, words = match["kind"], match["words"]
    body = KINDS[kind](words, scratch)
    return f"<!-- begin: {kind}{' ' + words if words else ''} -->\n{body.rstrip()}\n<!-- end -->"


# --- files and commands -----------------------------------------------------------------------------------------


def include(words: str, _scratch: Path) -> str:
    """Return a file of the examples; ``FILE FIRST-LAST`` shows some of its lines."""
    name, _, lines = words.partition(" ")
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    if lines:
        first, _, last = lines.partition("-")
        text = "\n".join(text.splitlines()[int(first) - 1 : int(last)])
    return f"```{LANGUAGES[Path(name).suffix]}\n{text.rstrip()}\n```"


def shell(words: str, scratch: Path) -> str:
    """Return what commands print: ``FOLDER: command; command``, run in a copy of that folder of the examples."""
    folder, _, commands = words.partition(": ")
    shown = []
    for command in commands.split("; "):
        shown.append(f"$ {command}")
        output = run_command(command, workplace(folder, scratch))
        shown += [output] if output else []
    return "```console\n" + "\n".join(shown) + "\n```"


def terminal(words: str, scratch: Path) -> str:
    """Like ``shell`` for one command, as a terminal of 100 columns shows it."""
    folder, _, command = words.partition(": ")
    output = run_command(command, workplace(folder, scratch), width=100)
    return f"```console\n$ {command}\n{output}\n```"


def series(words: str, _scratch: Path) -> str:
    """Return what series of a model of the examples are, bin by bin: ``FILE NAME NAME``, ``seed=N`` among the names."""
    from flowtime.engine import compile_model
    from flowtime.model import load_model

    file, *names = words.split()
    seeds = [int(name.removeprefix("seed=")) for name in names if name.startswith("seed=")]
    result = compile_model(load_model(EXAMPLES / file), seed=seeds[0] if seeds else None).evaluate()
    kept = [name for name in names if "=" not in name]
    found = [(name, result[name] if name in result else result.metric(name)) for name in kept]
    rows = [(f"`{name}`", *(f"{value:,.5g}" for value in values)) for name, values in found]
    return table(("bin", *map(str, range(result.grid.bins))), rows)


def simulated(words: str, _scratch: Path) -> str:
    """Return one of the tables of the comparison with a simulation, from the figures that are stored."""
    comparison = runpy.run_path(str(DOCS / "discrete_event.py"))
    figures = json.loads((DOCS / "data" / "discrete_event.json").read_text(encoding="utf-8"))
    return table(*comparison["tables"](figures)[words])


def forecasts(words: str, _scratch: Path) -> str:
    """Return one of the tables of how good the forecasts of runs are, from the figures that are stored."""
    accuracy = runpy.run_path(str(DOCS / "eta_accuracy.py"))
    return table(*accuracy["tables"](json.loads((DOCS / "data" / "eta_accuracy.json").read_text("utf-8")))[words])


def trackers(words: str, _scratch: Path) -> str:
    """Return one of the tables of the comparison with other trackers, from the figures that are stored."""
    peers = runpy.run_path(str(DOCS / "tracker_peers.py"))
    return table(*peers["tables"](json.loads((DOCS / "data" / "tracker_peers.json").read_text("utf-8")))[words])


def catalogue(_words: str, _scratch: Path) -> str:
    """Return the tables of the shipped templates."""
    text: str = runpy.run_path(str(DOCS / "template_tables.py"))["catalogue_text"]()
    return text


def workplace(folder: str, scratch: Path) -> Path:
    """Return a copy of a folder of the examples, the same one for all blocks of a page."""
    place = scratch / "work" / folder
    if not place.exists():
        shutil.copytree(EXAMPLES / folder, place)
    return place


@functools.cache
def warm_kernels() -> None:
    """Compile all kernels: what a page shows must not depend on whether this machine had done so before."""
    from flowtime.engine.kernel_cache import load_kernels
    from flowtime.state.windows import warm_window_kernels
    from flowtime.telemetry.gap_kernels import warm_gap_kernels

    load_kernels()
    warm_gap_kernels()
    warm_window_kernels()


def run_command(command: str, folder: Path, *, width: int | None = None) -> str:
    """Return what a command prints to stdout and stderr in ``folder``: a ``flowtime`` or a ``python`` one.

    Runs in this process, since starting Python and loading the kernels for each would take a second.
    """
    warm_kernels()
    program, *words = shlex.split(command)
    screen = _Screen(width)
    given = {"COLUMNS": str(width), "TERM": "xterm", "NO_COLOR": "1"} if width else {}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(screen), contextlib.redirect_stderr(_Beside(screen)):
            if program == "python":
                runpy.run_path(words[0], run_name="__main__")
            else:
                from flowtime.cli import main as flowtime

                flowtime(words)
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    return screen.text()


class _Beside(io.TextIOBase):
    """The stderr of a command: shown where its stdout is, and no terminal, so that no progress bar moves there."""

    def __init__(self, screen: _Screen) -> None:
        self._screen = screen

    def write(self, text: str) -> int:
        """Write to the screen."""
        return self._screen.write(text)


class _Screen(io.TextIOWrapper):
    """Takes what a command prints; with a ``width`` it says that it is a terminal."""

    def __init__(self, width: int | None) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n", write_through=True)
        self._is_terminal = width is not None

    def isatty(self) -> bool:
        """Whether commands should write as to a terminal."""
        return self._is_terminal

    def text(self) -> str:
        """Return what was printed, without colors and spaces at the ends of lines."""
        self.flush()
        data = self.buffer.getvalue()  # type: ignore[attr-defined]
        return as_on_any_day(data.decode("utf-8"))


def as_on_any_day(printed: str) -> str:
    """Return what was printed, without colors and spaces at the ends of lines, as it would be on any day."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)
    # A drawn id is made of time and chance; one stands for all.
    plain = plain.replace("runs\\", "runs/")  # as Windows writes it
    plain = re.sub(r"run_\d{8}T\d{6}Z_[0-9a-f]{8}", "run_20250303T080000Z_5e0b1c7a", plain)
    plain = re.sub(r"~\d{8}T\d{6}Z-[0-9a-f]{8}", "~20250303T080000Z-5e0b1c7a", plain)
    plain = re.sub(r"\br0[0-9a-hjkmnp-tv-z]{24}\b", "r01jnpkw800k5v4m2x7c9d3fgh", plain)
    # So do one time for today's, and one of a run for all short ones: what a page shows is the same on any day.
    plain = re.sub(rf"{datetime.now(UTC):%Y-%m-%d} \d\d:\d\d:\d\d", "2025-03-03 08:00:00", plain)
    plain = re.sub(r"\b\d\.\ds\b", "0.1s", plain)
    plain = re.sub(r"\bafter \d+\.\d s\b", "after 0.1 s", plain)
    plain = re.sub(
        r"^machine: .*", "machine: of the machine 21 %, memory 15 MiB, disk free 71.1 GiB", plain, flags=re.M
    )
    return "\n".join(line.rstrip() for line in plain.rstrip().splitlines())


# --- tables of what has a name ----------------------------------------------------------------------------------


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def data(name: str) -> dict[str, Any]:
    """Return one of the files that say what names mean."""
    return tomllib.loads((DOCS / "data" / f"{name}.toml").read_text(encoding="utf-8"))


def meanings(name: str, wanted: set[str], texts: Mapping[str, Any]) -> None:
    """Raise KeyError for names without a meaning and for meanings without a name."""
    missing, spare = sorted(wanted - texts.keys()), sorted(texts.keys() - wanted)
    if missing or spare:
        raise KeyError(f"docs/data/{name}: say what {missing} mean; {spare} do not exist")


def functions(_words: str, _scratch: Path) -> str:
    """Return the functions of the expression language."""
    from flowtime.model.expression.functions import FUNCTIONS

    notes = data("functions")
    meanings("functions.toml", set(FUNCTIONS), notes)
    rows = [
        (
            f"`{rule.name}`",
            rule.arity,
            rule.doc,
            "; ".join(f"argument {literal.argument + 1}: {_wanted(literal.wanted)}" for literal in rule.literals)
            or "-",
            notes[rule.name] or "-",
            f"`{rule.example}`",
        )
        for rule in FUNCTIONS.values()
    ]
    return table(("function", "arguments", "value", "written out", "edge cases", "example"), rows)


def _wanted(text: str) -> str:
    # The bound of the plan's fields is no bound that anybody meets.
    return text.replace(", at most 2147483647", "")


def settings(_words: str, _scratch: Path) -> str:
    """Return the settings."""
    from flowtime.settings import settings_table

    rows = [
        (f"`{row.name}`", row.type, f"`{row.default}`", f"`{row.variable}`", row.description)
        for row in settings_table()
    ]
    return table(("setting", "type", "default", "variable", "meaning"), rows)


def advice(_words: str, _scratch: Path) -> str:
    """Return the rules of advice."""
    from flowtime.tracking.advice.advice_rules import Thresholds
    from flowtime.tracking.advice.advice_table import RULES

    usual = Thresholds()
    sections = []
    for rule in RULES.values():
        window_s = rule.windows * usual.window_s
        facts = [
            ("fires when", rule.condition),
            ("for", f"{window_s:.0f} s ({rule.windows:.2g} x `advice_window_s`)" if rule.windows else "at once"),
            ("threshold", f"`advice_{rule.setting}` ({getattr(usual, rule.setting):g})"),
            ("severity", rule.severity),
            ("evidence", ", ".join(f"`{name}`" for name in rule.evidence)),
        ]
        actions = "\n".join(f"- {action}" for action in rule.actions)
        sections.append(f"### {rule.id}\n\n{table(('', rule.id), facts)}\n\n{actions}")
    return "\n\n".join(sections)


def reasons(_words: str, _scratch: Path) -> str:
    """Return why a performance test got the verdict it got."""
    from flowtime.tracking.perf.results import REASONS

    return table(("reason", "meaning"), [(f"`{code}`", meaning) for code, meaning in REASONS.items()])


def shipped(_words: str, _scratch: Path) -> str:
    """Return the templates of the catalogue."""
    from flowtime.templates import list_templates

    headers = [info.header for info in list_templates() if info.header is not None]
    rows = [
        (f"`{header.metadata.id}`", header.metadata.description or "", header.metadata.question or "")
        for header in headers
    ]
    return table(("template", "what it models", "the question it answers"), rows)


def metrics(_words: str, _scratch: Path) -> str:
    """Return the derived metrics."""
    from flowtime.engine.metrics import METRIC_UNITS

    texts = data("metrics")
    meanings("metrics.toml", set(METRIC_UNITS), texts)
    rows = [
        (f"`{name}`", unit, texts[name]["formula"], texts[name]["undefined"]) for name, unit in METRIC_UNITS.items()
    ]
    return table(("metric", "unit", "formula", "NaN where"), rows)


def warnings(_words: str, _scratch: Path) -> str:
    """Return the warnings of a run."""
    texts = data("warnings")
    meanings("warnings.toml", warning_codes(), texts)
    rows = [(f"`{code}`", text["severity"], text["means"], text["do"]) for code, text in texts.items()]
    return table(("code", "severity", "what it says", "what to do"), rows)


def findings(_words: str, _scratch: Path) -> str:
    """Return what a capture or an import may find in its data."""
    texts = data("findings")
    meanings("findings.toml", finding_codes(), texts)
    rows = [(f"`{code}`", text["severity"], text["means"], text["cause"], text["do"]) for code, text in texts.items()]
    return table(("code", "severity", "what it says", "where it comes from", "what to do"), rows)


def finding_codes() -> set[str]:
    """Return every code that can stand in the manifest of a capture, read from the source."""
    from flowtime.telemetry.loaders.notes import NOTES

    # The only code of one word, which no pattern can tell from other words.
    found = {"spike", *NOTES}
    for module in ("gaps", "injection"):
        tree = ast.parse((SOURCE / "telemetry" / f"{module}.py").read_text(encoding="utf-8"))
        for statement in tree.body:
            if not (isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"):
                found.update(_codes_within(statement))
    return found


def warning_codes() -> set[str]:
    """Return every code that the warnings of a run can have, read from their source.

    A code that is put together ends in ``<label>``.
    """
    found: set[str] = set()
    for path in sorted([*(SOURCE / "engine").glob("*warnings.py"), SOURCE / "orchestration" / "telemetry_warnings.py"]):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if not (isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"):
                found.update(_codes_within(statement))
    return found


def _codes_within(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WARNING.fullmatch(node.value):
            yield node.value + "<label>" * node.value.endswith("_")


def fields(words: str, _scratch: Path) -> str:
    """Return the fields of a struct: ``MODULE STRUCT``, with ``status`` where a field may not be evaluated."""
    module, name, *rest = words.split()
    struct = getattr(__import__(f"flowtime.{module}", fromlist=[name]), name)
    texts = data("fields")[name]
    listed = msgspec.structs.fields(struct)
    tag = struct.__struct_config__.tag_field
    meanings(f"fields.toml [{name}]", {field.encode_name for field in listed}, texts)
    hints = get_type_hints(struct, include_extras=True)
    rows = [(f"`{tag}`", f"`{struct.__struct_config__.tag}`", "required", "works", "Says what this is.")] if tag else []
    for field in listed:
        status, text = split_status(texts[field.encode_name])
        rows.append((f"`{field.encode_name}`", type_text(hints[field.name]), _default(field), status, text))
    if rest != ["status"]:
        return table(("field", "type", "default", "meaning"), [(*row[:3], row[4]) for row in rows])
    return table(("field", "type", "default", "status", "meaning"), rows)


def split_status(text: str) -> tuple[str, str]:
    """Return the status of a field and what it means; one without a status works."""
    status, colon, meaning = text.partition(": ")
    return (status, meaning) if colon and status in STATUSES else ("works", text)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ((), {}):
        return "-"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def type_text(hint: Any) -> str:
    """Return a type of a struct for people: ``whole number, 1 to 1,000``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _constrained(arguments[0], arguments[1])
    if hint in SIMPLE:
        return SIMPLE[hint]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint.__name__
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        return "list of " + _plural(type_text(arguments[0]))
    if origin is dict:
        return f"mapping of names to {_plural(type_text(arguments[1]))}"
    if isinstance(origin, type) and origin.__name__ == "ndarray":
        return "list of numbers"
    return " or ".join(dict.fromkeys(type_text(item) for item in arguments if item is not type(None)))


def _constrained(hint: Any, meta: msgspec.Meta) -> str:
    told = meta.description or ""
    for start, word in DESCRIBED.items():
        if told.startswith(start):
            return word
    text = type_text(hint)
    if meta.ge is not None:
        return f"{text}, {meta.ge:,g} or more" if meta.le is None else f"{text}, {meta.ge:,g} to {meta.le:,}"
    if meta.gt is not None:
        return f"{text}, above {meta.gt:g}"
    return f"{text}, at least 1" if text.startswith("list") else text


def _plural(text: str) -> str:
    noun, comma, rest = text.partition(",")
    known = {"text": "texts", "number": "numbers", "whole number": "whole numbers", "id": "ids", "hash": "hashes"}
    return known.get(noun, noun) + comma + rest


# --- error codes ------------------------------------------------------------------------------------------------


def codes(words: str, _scratch: Path) -> str:
    """Return the error codes that start with one of some prefixes."""
    from flowtime.errors import exit_status

    texts = data("codes")
    meanings("codes.toml", error_codes(), texts)
    wanted = words.split()
    rows = [
        (f"`{code}`", str(exit_status(code)), text) for code, text in texts.items() if code.partition(".")[0] in wanted
    ]
    return table(("code", "exit status", "meaning"), rows)


def exits(_words: str, _scratch: Path) -> str:
    """Return the table from code to exit status."""
    from flowtime.errors import EXIT_STATUS

    texts = data("exits")
    by_status: dict[int, list[str]] = {}
    for code, status in EXIT_STATUS.items():
        by_status.setdefault(status, []).append(f"`{code}`" if "." in code else f"`{code}.*`")
    rows = [(str(status), texts[str(status)], ", ".join(by_status.get(status, ["-"]))) for status in map(int, texts)]
    meanings("exits.toml", {str(status) for status in by_status} | {"0", "130"}, texts)
    return table(("status", "meaning", "codes"), rows)


def error_codes() -> set[str]:
    """Return every error code that the package can give, read from its source."""
    found: set[str] = set()
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node) for node in _docstrings(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                if CODE.fullmatch(node.value) and node.value not in NO_CODES:
                    found.add(node.value)
            elif isinstance(node, ast.Call):
                found.update(_called_codes(path.stem, node))
    return found - {"model.series_file_"}


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            yield node.value


def _called_codes(stem: str, call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    prefix = CODE_CALLS.get((stem, name))
    if not prefix or not call.args:
        return
    named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    word = named[0] if named else call.args[-1] if name == "check_known" else call.args[0]
    if not isinstance(word, ast.Constant) or not isinstance(word.value, str):
        return
    yield prefix + word.value.replace(" ", "_")
    # The header of a template and a file of gaps are read by the same readers.
    if stem in ("decode", "scalars"):
        yield "template." + word.value
        yield "gaps." + word.value


KINDS: Mapping[str, Callable[[str, Path], str]] = {
    function.__name__: function
    for function in (
        include,
        shell,
        terminal,
        series,
        simulated,
        forecasts,
        trackers,
        catalogue,
        functions,
        settings,
        advice,
        reasons,
        shipped,
        metrics,
        warnings,
        findings,
        fields,
        codes,
        exits,
    )
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
