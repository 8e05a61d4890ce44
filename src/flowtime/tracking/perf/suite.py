"""Suites: a YAML or TOML file of scripted tests, or a registry of cases in Python (``module:NAME``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from flowtime.errors import PerfError

__all__ = ["CaseSpec", "GuardrailSpec", "Suite", "chosen", "load_suite", "registry_cases"]

_REGISTRY = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?")
_TARGET = r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"
_FILES = (".yaml", ".yml", ".toml")

Share = Annotated[float, Meta(gt=0, le=10)]
Positive = Annotated[int, Meta(ge=1)]
Target = Annotated[str, Meta(pattern=_TARGET)]


class GuardrailSpec(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Limits that a case must keep on any fit host; see ``case.Guardrail``."""

    limits_ms: dict[Literal["p50", "p99", "mean_best_half"], Annotated[float, Meta(gt=0)]]
    turns: Positive = 2000
    probe: str | None = None
    probe_limit_ms: Annotated[float, Meta(gt=0)] = 2.5
    counts: dict[Literal["fsync", "rename", "bytes"], Annotated[int, Meta(ge=0)]] = {}


class CaseSpec(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One case, whatever it was declared in: exactly one of command, callable, factory and home.

    ``home`` is the module of a registry that holds the case.  Limits are shares: 0.05 is 5 percent.
    """

    name: Annotated[str, Meta(pattern=r"^[^\s/\\][^/\\]{0,199}$")]
    command: tuple[str, ...] = ()
    callable: Target | None = None
    factory: Target | None = None
    home: str | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    env: dict[str, str] = {}
    cwd: str = "."
    exit_status: int = 0
    group: str = ""
    calls_per_turn: Positive = 1
    version: int = 1
    items: Positive = 1
    sweeps: Positive | None = None
    gc: bool = False
    gate: bool = True
    limit_soft: Share = 0.03
    limit_fail: Share = 0.05
    guardrail: GuardrailSpec | None = None


class _File(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A suite as a file says it: cases of its own, or the registry that has them."""

    schema_version: Literal[1]
    name: str | None = None
    paths: tuple[str, ...] | None = None
    registry: Target | None = None
    cases: tuple[CaseSpec, ...] = ()


class Suite(Struct, frozen=True, kw_only=True):
    """What is to be measured.

    ``registry`` is ``module:NAME`` or None for a file, whose cases are in ``cases``; ``file`` is that file.  ``root``
    is the checkout, ``cases_root`` the folder that the cases are imported from, always the head's.  ``paths`` are
    folders below a checkout to import the measured package from; None leaves the choice to the layout.
    """

    name: str
    root: Path
    cases_root: Path
    registry: str | None = None
    file: Path | None = None
    paths: tuple[str, ...] | None = None
    cases: tuple[CaseSpec, ...] = ()

    def import_paths(self, root: Path) -> tuple[Path, ...]:
        """Return the folders of a checkout that packages are imported from: as told, else ``src``, else the root."""
        if self.paths is not None:
            return tuple(root / path for path in self.paths)
        return (root / "src",) if (root / "src").is_dir() else (root,)


def load_suite(word: str, *, root: Path, paths: Sequence[str] = ()) -> Suite:
    """Read a suite: the path of a YAML or TOML file, or ``module:NAME`` of a registry below ``root``.

    ``root`` is the checkout.  Raises PerfError ``perf.suite_not_found`` or ``perf.suite``.
    """
    told = tuple(paths) or None
    if Path(word).suffix in _FILES:
        return _from_file(Path(word), root, told)
    if _REGISTRY.fullmatch(word):
        registry = word if ":" in word else f"{word}:CASES"
        return Suite(name=registry, root=root, cases_root=root, registry=registry, paths=told)
    raise PerfError(f"{word!r} is no suite", code="perf.suite", hint="name a .yaml or .toml file, or module:CASES")


def registry_cases(described: Sequence[Mapping[str, Any]]) -> tuple[CaseSpec, ...]:
    """Return the cases of a registry from what a worker says of them.  Raises PerfError ``perf.suite``."""
    renamed = [
        {_camel(name): _guardrail(value) if name == "guardrail" else value for name, value in case.items()}
        for case in described
    ]
    try:
        cases = msgspec.convert(renamed, tuple[CaseSpec, ...])
    except msgspec.ValidationError as error:
        raise PerfError(f"the registry of cases is not valid: {error}", code="perf.suite") from error
    return _unique(cases, "the registry")


def chosen(cases: Sequence[CaseSpec], patterns: Sequence[str]) -> tuple[CaseSpec, ...]:
    """Return the cases that match one of the patterns; without patterns, those that the gate takes unasked.

    Raises PerfError ``perf.case`` for a pattern that nothing matches.
    """
    if not patterns:
        return tuple(case for case in cases if case.gate)
    for pattern in patterns:
        if not any(fnmatchcase(case.name, pattern) for case in cases):
            from difflib import get_close_matches

            near = get_close_matches(pattern, [case.name for case in cases], n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`*` stands for any text"
            raise PerfError(f"no case is called {pattern!r}", code="perf.case", hint=hint)
    return tuple(case for case in cases if any(fnmatchcase(case.name, pattern) for pattern in patterns))


def _from_file(path: Path, root: Path, told: tuple[str, ...] | None) -> Suite:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PerfError(f"there is no suite {path.name}", code="perf.suite_not_found") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PerfError(f"can not read {path.name}: {error}", code="perf.suite") from error
    try:
        given = msgspec.convert(_parsed(text, path.suffix), _File)
    except (msgspec.ValidationError, ValueError) as error:
        raise PerfError(f"{path.name}: {error}", code="perf.suite") from error
    if bool(given.cases) == (given.registry is not None):
        raise PerfError(f"{path.name} needs cases or a registry, and not both", code="perf.suite")
    for case in given.cases:
        _require_one_way(case, path.name)
    cases = _unique(given.cases, path.name)
    paths = told or given.paths
    return Suite(
        name=given.name or path.stem,
        root=root,
        cases_root=root if given.registry else path.parent.resolve(),
        registry=given.registry,
        file=path,
        paths=paths,
        cases=cases,
    )


def _parsed(text: str, suffix: str) -> object:
    """Parse YAML or TOML.  Raises ValueError."""
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    import yaml

    try:
        # Safe: a suite may run programs, but reading it must not.
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {error}") from error


def _require_one_way(case: CaseSpec, file: str) -> None:
    # `home` is for cases that a worker described.
    ways = [way for way in (case.command, case.callable, case.factory) if way]
    if len(ways) != 1 or case.home is not None:
        raise PerfError(f"{file}: case {case.name!r} needs one of command, callable and factory", code="perf.suite")


def _unique(cases: tuple[CaseSpec, ...], where: str) -> tuple[CaseSpec, ...]:
    counts = Counter(case.name for case in cases)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise PerfError(f"{where}: two cases are called {twice[0]!r}", code="perf.suite")
    missing = [
        case.guardrail.probe
        for case in cases
        if case.guardrail is not None and case.guardrail.probe is not None and case.guardrail.probe not in counts
    ]
    if missing:
        raise PerfError(f"{where}: there is no case {missing[0]!r} to probe with", code="perf.suite")
    return cases


def _guardrail(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else {_camel(name): part for name, part in value.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
