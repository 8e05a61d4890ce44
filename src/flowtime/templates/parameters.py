"""Values for the parameters of a template: types, bounds, and what is missing or unknown.

A value that comes from a file or a program has a type already and keeps it: ``"3"`` is no integer
and ``true`` no number.  A value from a command line is text, and ``parse_parameter_text`` reads it
by the declared type.  All faults are reported at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from flowtime.errors import Fault, TemplateError
from flowtime.model.decode import decode
from flowtime.model.tree import MappingNode
from flowtime.model.yaml_reader import parse_yaml
from flowtime.templates.spec import Parameter

if TYPE_CHECKING:
    from flowtime.templates.load import Template

__all__ = [
    "Scalar",
    "Value",
    "bind",
    "convert",
    "declaration_faults",
    "describe",
    "given_parameters",
    "parse_parameter_text",
    "parse_parameter_texts",
    "read_parameter_file",
    "unknown_parameter",
]

Scalar: TypeAlias = bool | int | float | str
Value: TypeAlias = Scalar | tuple[int, ...] | tuple[float, ...]

# 3.0 is an integer, as it is in a file.
_INTEGER = re.compile(r"[+-]?[0-9]+(\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_MAX_DIGITS = 400  # more can not be a finite float, and int() of a huge text is slow
_BOOLEANS = {"true": True, "false": False}
_SHOWN = 60


class _Unfit(Exception):
    """Why a value does not fit its parameter; never leaves this module."""

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


def bind(template: Template, given: Mapping[str, object]) -> dict[str, Value]:
    """Return the value of every parameter of ``template`` by name, sorted, defaults filled in.

    Integers come out as int, numbers as float, arrays as tuples.  Raises TemplateError with every
    unknown (``template.unknown_parameter``), missing (``template.missing_parameter``), wrongly typed
    (``template.parameter_type``) and out-of-bounds (``template.parameter_range``) parameter.
    """
    parameters = {parameter.name: parameter for parameter in template.header.parameters}
    faults = [unknown_parameter(name, parameters) for name in given if name not in parameters]
    values: dict[str, Value] = {}
    # Sorted, so that the provenance and its hash do not depend on the order in which values were given.
    for name in sorted(parameters):
        parameter = parameters[name]
        value = given.get(name, parameter.default)
        if value is None:
            faults.append(_missing(parameter))
            continue
        outcome = convert(parameter, value)
        if isinstance(outcome, Fault):
            faults.append(outcome)
        else:
            values[name] = outcome
    if faults:
        raise TemplateError(faults)
    return values


def convert(parameter: Parameter, value: object) -> Value | Fault:
    """Return ``value`` as the declared type within the declared bounds, or the fault that it is."""
    try:
        if parameter.type == "array":
            return _array(parameter, value)
        if parameter.type == "string":
            return _string(value)
        if parameter.type == "boolean":
            return _boolean(value)
        number = _integer(value) if parameter.type == "integer" else _number(value)
        _check_bounds(parameter, number)
    except _Unfit as unfit:
        return _unfit_fault(parameter, unfit)
    return number


def describe(parameter: Parameter) -> str:
    """Return the type, bounds and unit of a parameter in words: ``an integer from 1 to 8 (servers)``."""
    noun = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "a text"}.get(
        parameter.type, "an array of integers" if parameter.array_of == "int" else "an array of numbers"
    )
    low, high = parameter.low, parameter.high
    if low is not None and high is not None:
        noun += f" from {low:g} to {high:g}"
    elif low is not None:
        noun += f" of at least {low:g}"
    elif high is not None:
        noun += f" of at most {high:g}"
    return f"{noun} ({parameter.unit})" if parameter.unit else noun


def declaration_faults(parameter: Parameter) -> Iterator[tuple[str, str, str]]:
    """Yield (code, message, field) for what is wrong with the declaration of one parameter."""
    for message, field in _bound_faults(parameter):
        yield "template.parameter_bounds", message, field
    if parameter.default is not None:
        outcome = convert(parameter, parameter.default)
        if isinstance(outcome, Fault):
            yield outcome.code, f"the default of {outcome.message}", "default"


def parse_parameter_text(parameter: Parameter, text: str) -> Value:
    """Read a command-line text by the declared type; an array is JSON or a list split by commas.

    Bounds are for ``bind`` to check, those of a JSON array aside.  Raises TemplateError
    (``template.parameter_type``, ``template.parameter_range``).
    """
    try:
        return _parse(parameter, text)
    except _Unfit as unfit:
        raise TemplateError([_unfit_fault(parameter, unfit)]) from unfit


def parse_parameter_texts(template: Template, texts: Mapping[str, str]) -> dict[str, Value]:
    """Read command-line texts for one template, bounds included; raises TemplateError with the faults of all."""
    parameters = {parameter.name: parameter for parameter in template.header.parameters}
    faults: list[Fault] = []
    values: dict[str, Value] = {}
    for name, text in texts.items():
        if name not in parameters:
            faults.append(unknown_parameter(name, parameters))
            continue
        try:
            outcome = convert(parameters[name], parse_parameter_text(parameters[name], text))
        except TemplateError as error:
            faults.extend(error.faults)
            continue
        if isinstance(outcome, Fault):
            faults.append(outcome)
        else:
            values[name] = outcome
    if faults:
        raise TemplateError(faults)
    return values


def given_parameters(template: Template, texts: Mapping[str, str], file: Path | None) -> dict[str, object]:
    """Return what a command line gives: the values of ``file``, over which those of ``texts`` win.

    Raises what ``parse_parameter_texts`` and ``read_parameter_file`` raise.
    """
    values = read_parameter_file(file) if file is not None else {}
    return {**values, **parse_parameter_texts(template, texts)}


def read_parameter_file(path: Path) -> dict[str, object]:
    """Read a YAML or JSON mapping of parameter names to values.

    Raises TemplateError (``template.parameter_file``) where it can not be read or is no mapping, and
    ModelError where it is no YAML.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise TemplateError(
            [Fault("template.parameter_file", f"can not read it: {error.strerror}", str(path))]
        ) from error
    tree = parse_yaml(text, file=str(path))
    if not isinstance(tree, MappingNode):
        message = "a parameter file is a mapping of names to values"
        raise TemplateError([Fault("template.parameter_file", message, str(path), tree.line, tree.column)])
    return decode(tree, dict[str, object], file=str(path))


def unknown_parameter(name: str, known: Iterable[str]) -> Fault:
    """Return the fault of a parameter that the template does not have, with the nearest that it has."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        hint = f"did you mean {near[0]!r}?"
    else:
        hint = f"it has {', '.join(names)}" if names else "this template has no parameters"
    return Fault("template.unknown_parameter", f"the template has no parameter {name!r}", hint=hint)


def _bound_faults(parameter: Parameter) -> Iterator[tuple[str, str]]:
    for short, long in (("min", "minimum"), ("max", "maximum")):
        if getattr(parameter, short) is not None and getattr(parameter, long) is not None:
            yield f"{short!r} and {long!r} are one bound; give one of them", short
    low, high = parameter.low, parameter.high
    if parameter.type in ("string", "boolean") and (low is not None or high is not None):
        yield f"a {parameter.type} parameter has no bounds", "type"
    if low is not None and high is not None and low > high:
        yield f"the least value {low:g} is above the largest value {high:g}", "name"
    if parameter.array_of is not None and parameter.type != "array":
        yield "'arrayOf' needs type: array", "arrayOf"


def _unfit_fault(parameter: Parameter, unfit: _Unfit) -> Fault:
    message = f"parameter {parameter.name!r} {unfit}"
    return Fault(f"template.{unfit.problem}", message, hint=f"it is {describe(parameter)}")


def _missing(parameter: Parameter) -> Fault:
    hint = f"it is {describe(parameter)}"
    return Fault(
        "template.missing_parameter", f"parameter {parameter.name!r} has no default and must be given", hint=hint
    )


def _shown(value: object) -> str:
    # A mistyped value can be a whole file.
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _integer(value: object) -> int:
    # bool is an int to Python; the numbers ABCs take NumPy's scalars in as well.
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise _Unfit("parameter_type", f"is {_shown(value)}, which is no integer")


def _number(value: object) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise _Unfit("parameter_type", f"is {_shown(value)}, which is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Unfit("parameter_range", f"is {_shown(value)}, which is not finite")
    return number + 0.0  # -0.0 would hash apart from 0.0


def _boolean(value: object) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise _Unfit("parameter_type", f"is {_shown(value)}, which is neither true nor false")


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise _Unfit("parameter_type", f"is {_shown(value)}, which is no text")


def _array(parameter: Parameter, value: object) -> tuple[int, ...] | tuple[float, ...]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise _Unfit("parameter_type", f"is {_shown(value)}, which is no array")
    read = _integer if parameter.array_of == "int" else _number
    items: list[float] = []
    for index, item in enumerate(value):
        try:
            items.append(read(item))
            _check_bounds(parameter, items[-1])
        except _Unfit as unfit:
            raise _Unfit(unfit.problem, f"element {index} {unfit}") from unfit
    return tuple(items)


def _check_bounds(parameter: Parameter, number: float) -> None:
    low, high = parameter.low, parameter.high
    if low is not None and number < low:
        raise _Unfit("parameter_range", f"is {number:g}, below {low:g}")
    if high is not None and number > high:
        raise _Unfit("parameter_range", f"is {number:g}, above {high:g}")


def _parse(parameter: Parameter, text: str) -> Value:
    if parameter.type == "string":
        return text
    word = text.strip()
    if parameter.type == "boolean":
        if word.lower() not in _BOOLEANS:
            raise _Unfit("parameter_type", f"is {_shown(text)}, which is neither true nor false")
        return _BOOLEANS[word.lower()]
    if parameter.type == "array":
        return _parse_array(parameter, word)
    return _parse_number(word, whole=parameter.type == "integer")


def _parse_number(word: str, *, whole: bool) -> int | float:
    # int() and float() alone would take 1_000, nan and the digits of every script.
    pattern = _INTEGER if whole else _NUMBER
    if len(word) > _MAX_DIGITS or not pattern.fullmatch(word):
        raise _Unfit("parameter_type", f"is {_shown(word)}, which is no {'integer' if whole else 'number'}")
    return int(word.partition(".")[0]) if whole else float(word)


def _parse_array(parameter: Parameter, word: str) -> Value:
    # A shell eats brackets and blanks, so 1,2,3 is an array too.
    if not word.startswith("["):
        parts = word.split(",") if word else []
        whole = parameter.array_of == "int"
        return tuple(_parse_number(part.strip(), whole=whole) for part in parts)
    try:
        items = json.loads(word)
    except (ValueError, RecursionError) as error:
        raise _Unfit("parameter_type", f"is {_shown(word)}, which is no JSON array") from error
    return _array(parameter, items)
