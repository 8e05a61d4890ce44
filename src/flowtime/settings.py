"""Settings: one frozen struct, built once from defaults < ``flowtime.toml`` < ``FLOWTIME_*`` < flags.

Faults of every source are collected and raised together, each with the file and line, or the name
of the variable or flag, that it came from.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias, get_type_hints

import msgspec
from msgspec import Meta

from flowtime.errors import Fault, SettingsError

__all__ = ["Durability", "LogFormat", "SeriesCsv", "SettingRow", "Settings", "load_settings", "settings_table"]

SETTINGS_FILE = "flowtime.toml"
ENV_PREFIX = "FLOWTIME_"

Durability: TypeAlias = Literal["power", "process"]
SeriesCsv: TypeAlias = Literal["auto", "always", "never"]
LogFormat: TypeAlias = Literal["off", "json"]

Folder = Annotated[str, Meta(min_length=1)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a run is made with; see ``settings_table`` for what each one means."""

    runs_dir: Annotated[Folder, Meta(description="Folder that holds the run folders.")] = "runs"
    captures_dir: Annotated[Folder, Meta(description="Folder that `telemetry capture` writes to.")] = "captures"
    templates_dir: Annotated[
        Folder | None, Meta(description="Folder of further templates, beside the shipped catalogue.")
    ] = None
    series_csv: Annotated[
        SeriesCsv,
        Meta(description="Write a CSV per series: auto (up to series_csv_limit_mb in all), always or never."),
    ] = "auto"
    series_csv_limit_mb: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Estimated size of all CSVs up to which auto writes them, in MB.")
    ] = 64
    durability: Annotated[
        Durability,
        Meta(description="power: files survive a power cut (fsync); process: they survive a killed process."),
    ] = "power"
    log: Annotated[LogFormat, Meta(description="Write log events to stderr: off, or json, one line each.")] = "off"
    kernel_cache_dir: Annotated[
        Folder | None, Meta(description="Folder of the compiled kernels; none is the cache folder of the user.")
    ] = None


class SettingRow(NamedTuple):
    """One setting, for people: the row of the table in the docs."""

    name: str
    type: str
    default: str
    variable: str
    description: str


class _Given(NamedTuple):
    """A value somebody gave, and where, for the message when it is wrong."""

    name: str
    value: object
    origin: str
    file: str | None = None
    line: int | None = None
    # Only text from outside may be read as a number: a TOML string "2" is a wrong type.
    strict: bool = True


def load_settings(*, folder: Path, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Merge the settings of ``folder/flowtime.toml``, ``environ`` and ``flags``; the later wins.

    A flag that is None was not given.  Relative folders in settings mean relative to the working
    folder and stay as written.  Raises SettingsError with every fault of every source.
    """
    faults: list[Fault] = []
    given = [*_from_file(folder / SETTINGS_FILE, faults), *_from_environ(environ), *_from_flags(flags)]
    types = get_type_hints(Settings, include_extras=True)
    values: dict[str, object] = {}
    for item in given:
        if item.name not in types:
            faults.append(_unknown(item, list(types)))
            continue
        try:
            values[item.name] = msgspec.convert(item.value, types[item.name], strict=item.strict)
        except msgspec.ValidationError:
            faults.append(_wrong(item))
    if faults:
        raise SettingsError(faults)
    return msgspec.convert(values, Settings)


def settings_table() -> tuple[SettingRow, ...]:
    """Return one row per setting, in the order of the struct, made from the struct itself."""
    types = get_type_hints(Settings, include_extras=True)
    return tuple(
        SettingRow(
            name=field.name,
            type=_type_text(types[field.name]),
            default="none" if field.default is None else str(field.default),
            variable=ENV_PREFIX + field.name.upper(),
            description=_schema(types[field.name])["description"],
        )
        for field in msgspec.structs.fields(Settings)
    )


def _from_file(path: Path, faults: list[Fault]) -> Iterator[_Given]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        faults.append(Fault("settings.unreadable", f"can not read the settings: {error}", file=path.name))
        return
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.append(_toml_fault(path.name, str(error)))
        return
    for name, value in table.items():
        yield _Given(name, value, name, file=path.name, line=_line_of(text, name))


def _from_environ(environ: Mapping[str, str]) -> Iterator[_Given]:
    for variable in sorted(environ):
        # An empty variable counts as unset: that is how shells and CI files clear one.
        if variable.startswith(ENV_PREFIX) and environ[variable] != "":
            name = variable.removeprefix(ENV_PREFIX).lower()
            yield _Given(name, environ[variable], variable, strict=False)


def _from_flags(flags: Mapping[str, object]) -> Iterator[_Given]:
    for name, value in flags.items():
        if value is not None:
            text = str(value) if isinstance(value, Path) else value
            yield _Given(name, text, "--" + name.replace("_", "-"), strict=False)


def _unknown(item: _Given, names: list[str]) -> Fault:
    close = difflib.get_close_matches(item.name, names, n=1)
    hint = f"did you mean {_as_origin(close[0], item)}?" if close else f"settings are {', '.join(names)}"
    return Fault("settings.unknown", f"unknown setting {item.origin}", item.file, item.line, hint=hint)


def _as_origin(name: str, item: _Given) -> str:
    """Spell a setting's name the way it was given: as a variable, a flag or a key."""
    if item.origin.startswith(ENV_PREFIX):
        return ENV_PREFIX + name.upper()
    return "--" + name.replace("_", "-") if item.origin.startswith("--") else name


def _wrong(item: _Given) -> Fault:
    wanted = _type_text(get_type_hints(Settings, include_extras=True)[item.name])
    message = f"{item.origin} must be {wanted}, not {item.value!r}"
    return Fault("settings.wrong_value", message, item.file, item.line)


def _toml_fault(file: str, text: str) -> Fault:
    place = re.search(r"\(at line (\d+), column (\d+)\)", text)
    line, column = (int(place[1]), int(place[2])) if place else (None, None)
    message = re.sub(r" \(at .*\)$", "", text)
    return Fault("settings.syntax", f"not valid TOML: {message}", file, line, column)


def _line_of(text: str, name: str) -> int | None:
    """Find the line (from 1) of a top-level key or table in TOML text; tomllib keeps no positions."""
    key = re.compile(rf"""^\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    numbered = enumerate(text.splitlines(), start=1)
    return next((number for number, line in numbered if key.match(line)), None)


def _schema(kind: object) -> dict[str, str]:
    return dict(msgspec.json.schema(kind))


def _type_text(kind: object) -> str:
    schema: dict[str, object] = msgspec.json.schema(kind)
    choices = schema.get("enum")
    if isinstance(choices, list):
        return "one of " + ", ".join(choices)
    if schema.get("type") == "integer":
        return f"an integer from {schema['minimum']} to {schema['maximum']}"
    return "a folder or nothing" if "anyOf" in schema else "a folder"
