"""Templates as text for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowtime.templates import Parameter, TemplateHeader, TemplateInfo

__all__ = ["listing_text", "template_text"]

WIDTH = 100


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


def template_text(header: TemplateHeader) -> str:
    """Return what a template says of itself, and its parameters."""
    return "\n".join(_sections(header)).rstrip()


def _sections(header: TemplateHeader) -> Iterator[str]:
    metadata = header.metadata
    yield f"{metadata.title} ({metadata.id} {metadata.version})"
    if metadata.tags:
        yield f"tags: {', '.join(metadata.tags)}"
    for text in (metadata.description, metadata.narrative, metadata.question):
        if text:
            yield f"\n{textwrap.fill(text, WIDTH)}"
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
