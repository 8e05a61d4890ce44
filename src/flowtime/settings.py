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

__all__ = [
    "ADVICE_RULES",
    "Durability",
    "LogFormat",
    "SeriesCsv",
    "SettingRow",
    "Settings",
    "load_settings",
    "settings_table",
]

SETTINGS_FILE = "flowtime.toml"
ENV_PREFIX = "FLOWTIME_"
# What the tracker tells the programs that it runs, and what turns it off: no settings.
NO_SETTINGS = frozenset({"FLOWTIME_RUN_DIR", "FLOWTIME_STEPS_DONE", "FLOWTIME_TRACKER"})

Durability: TypeAlias = Literal["power", "process"]
SeriesCsv: TypeAlias = Literal["auto", "always", "never"]
LogFormat: TypeAlias = Literal["off", "json"]

Folder = Annotated[str, Meta(min_length=1)]
Percent = Annotated[int, Meta(ge=1, le=100)]

# The rules of advice (tracking/advice/advice_rules.py); here, so that a wrong id is found with the other settings.
ADVICE_RULES = (
    "low_throughput",
    "cpu_saturation",
    "cpu_idle",
    "memory_pressure",
    "gpu_idle",
    "disk_pressure",
    "step_overrun",
    "slow_sampler",
)
_RULE = f"({'|'.join(ADVICE_RULES)})"


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
    output_log_mb: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="Output that `flowtime track` keeps of a program, in MiB; 0 is none."),
    ] = 16
    advice_off: Annotated[
        str,
        Meta(
            pattern=rf"^({_RULE}(,{_RULE})*)?$",
            title="ids of rules with commas between them",
            description="Rules of advice that are silenced.",
        ),
    ] = ""
    advice_window_s: Annotated[
        int,
        Meta(ge=5, le=3600, description="Seconds that a condition must last; some rules take a part or a multiple."),
    ] = 30
    advice_throughput_drop_percent: Annotated[
        Percent, Meta(description="low_throughput: how far below the median of earlier runs is slow.")
    ] = 25
    advice_cpu_saturation_percent: Annotated[
        Percent, Meta(description="cpu_saturation: the share of the usable cores from which they count as used up.")
    ] = 90
    advice_cpu_idle_percent: Annotated[
        Percent, Meta(description="cpu_idle: the share of the usable cores below which they count as idle.")
    ] = 20
    advice_memory_percent: Annotated[
        Percent, Meta(description="memory_pressure: the share of the memory from which it counts as short.")
    ] = 90
    advice_gpu_idle_percent: Annotated[
        Percent, Meta(description="gpu_idle: the utilization below which a GPU counts as idle.")
    ] = 10
    advice_disk_free_mb: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="disk_pressure: the free MiB below which a disk counts as full.")
    ] = 1024
    advice_overrun_percent: Annotated[
        int,
        Meta(ge=1, le=10_000, description="step_overrun: how far above the upper end of what was expected is late."),
    ] = 25
    advice_sampler_ms: Annotated[
        int, Meta(ge=1, le=10_000, description="slow_sampler: the processor time of a sample that is too much, in ms.")
    ] = 10


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
            default="none" if field.default is None else str(field.default) or "nothing",
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
        if variable.startswith(ENV_PREFIX) and variable not in NO_SETTINGS and environ[variable] != "":
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
    if isinstance(schema.get("title"), str):
        return str(schema["title"])
    choices = schema.get("enum")
    if isinstance(choices, list):
        return "one of " + ", ".join(choices)
    if schema.get("type") == "integer":
        return f"an integer from {schema['minimum']} to {schema['maximum']}"
    return "a folder or nothing" if "anyOf" in schema else "a folder"
