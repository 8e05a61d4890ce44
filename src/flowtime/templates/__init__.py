"""Templates: parameterized models, loaded as data, rendered on the tree, and the shipped catalogue."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flowtime.templates.catalogue import TemplateInfo, find_template, list_templates, shipped_folder
from flowtime.templates.load import Template, load_template, parse_template
from flowtime.templates.parameters import (
    Value,
    bind,
    describe,
    given_parameters,
    parse_parameter_text,
    parse_parameter_texts,
    read_parameter_file,
)
from flowtime.templates.render import Rendered, render
from flowtime.templates.spec import Parameter, TemplateHeader, TemplateMetadata, Window
from flowtime.templates.summary import ParameterSummary, TemplateDetails, TemplateSummary, details, summary

__all__ = [
    "Parameter",
    "ParameterSummary",
    "Rendered",
    "Template",
    "TemplateDetails",
    "TemplateHeader",
    "TemplateInfo",
    "TemplateMetadata",
    "TemplateSummary",
    "Value",
    "Window",
    "bind",
    "describe",
    "details",
    "find_template",
    "given_parameters",
    "list_templates",
    "load_template",
    "parse_parameter_text",
    "parse_parameter_texts",
    "parse_template",
    "read_parameter_file",
    "render",
    "shipped_folder",
    "summary",
    "template",
]


def template(id_or_path: str | os.PathLike[str], *, folders: Sequence[Path] = ()) -> Template:
    """Load a template by its id (``folders`` first, then the shipped catalogue) or by its file's path.

    Raises TemplateError with every fault that was found.
    """
    return find_template(id_or_path, folders)
