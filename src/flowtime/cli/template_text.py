"""Templates as text for people."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from flowtime.cli.run_report import count_findings, print_warnings

if TYPE_CHECKING:
    from flowtime.orchestration.template_payload import Generated
    from flowtime.orchestration.validation import ValidationReport
    from flowtime.templates import Parameter, Template, TemplateHeader, TemplateInfo

__all__ = ["listing_text", "print_mapping", "print_verdict", "template_text", "topology_text"]

WIDTH = 100
PIPE_WIDTH = 120


def listing_text(infos: Sequence[TemplateInfo]) -> str:
    """Return a line per template (id, version, title), and below a broken one its faults."""
    width = max((len(info.id) for info in infos), default=0)
    lines: list[str] = []
    for info in infos:
        header = info.header
        about = f"{header.metadata.version:8} {header.metadata.title}" if header else "broken"
        lines.append(f"{info.id:{width}}  {about}")
        lines += [textwrap.indent(str(fault), "    ") for fault in info.faults]
    return "\n".join(lines)


def template_text(header: TemplateHeader, topology: str = "") -> str:
    """Return what a template says of itself, the drawing of its topology where there is one, and its parameters."""
    return "\n".join(_sections(header, topology)).rstrip()


def topology_text(template: Template) -> str:
    """Return the topology of a template with its defaults, drawn for stdout, or why it can not be drawn."""
    from flowtime.errors import FaultsError
    from flowtime.templates.topology_view import draw_topology

    try:
        topology = template.render().model.spec.topology
    except FaultsError as error:
        # Half a template is worth showing: it may only lack the parameters that it is meant to be given.
        return f"no drawing: {error.message}"
    width = get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    lines = draw_topology(topology, width=width, ascii_only=not _prints_boxes()) if topology else ()
    return "\n".join(lines)


def print_verdict(template: str, report: ValidationReport) -> None:
    """Print what was found in a template: faults to stderr, like those of any command, and what is odd to stdout."""
    from msgspec.structs import astuple

    from flowtime.errors import Fault

    if not report.is_valid:
        click.echo("\n".join(str(Fault(*astuple(entry))) for entry in report.errors), err=True)
        return
    print_warnings(report.warnings)
    told = f": {count_findings(report.warnings)}" if report.warnings else ""
    click.echo(f"{template} is valid{told}")


def print_mapping(made: Generated) -> None:
    """Print where the value of each parameter is from, then which series the capture stands in for."""
    from flowtime.cli.console import print_table

    rows = [(m.name, _value_text(m.value), m.origin, m.file or "-", m.note or "-") for m in made.mapping]
    print_table(f"{made.payload.template_id}: parameters", ("parameter", "value", "from", "file", "note"), rows)
    inputs = [row for row in made.replay.rows if row.use != "observation"]
    print_table(
        "series of the capture",
        ("file", "metric of", "metric", "class", "series", "use"),
        [(r.file, r.node_id or "-", r.metric, r.class_id, r.series or "-", r.use) for r in inputs],
    )
    others = len(made.replay.rows) - len(inputs)
    click.echo(f"{others} more are computed by the model, to be compared")
    print_warnings(made.replay.source.notes)


def _value_text(value: object) -> str:
    if isinstance(value, tuple):
        shown = ", ".join(f"{item:g}" for item in value[:3])
        return f"[{shown}{', ...' if len(value) > 3 else ''}] ({len(value)})"
    return _default_text(value)


def _prints_boxes() -> bool:
    try:
        "┌┊▼→".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _sections(header: TemplateHeader, topology: str) -> Iterator[str]:
    metadata = header.metadata
    yield f"{metadata.title} ({metadata.id} {metadata.version})"
    if metadata.tags:
        yield f"tags: {', '.join(metadata.tags)}"
    for text in (metadata.description, metadata.narrative, metadata.question):
        if text:
            yield f"\n{textwrap.fill(text, WIDTH)}"
    if topology:
        yield f"\n{topology}"
    if header.parameters:
        yield "\nParameters:"
    for parameter in header.parameters:
        yield f"  {_parameter_line(parameter)}"
        if parameter.description:
            yield textwrap.fill(parameter.description, WIDTH, initial_indent="      ", subsequent_indent="      ")


def _parameter_line(parameter: Parameter) -> str:
    from flowtime.templates import describe

    default = "required" if parameter.required else f"default {_default_text(parameter.default)}"
    return f"{parameter.name}: {describe(parameter)}, {default}"


def _default_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, str) else str(value)
