"""Names of run folders: by chance and time, or from what went in."""

from __future__ import annotations

import re
from datetime import datetime

from flowtime.runs.times import utc_stamp
from flowtime.storage import safe_id

__all__ = ["model_run_id", "random_run_id", "template_run_id"]

_NOUN = "run id"
_NOT_SLUG = re.compile(r"[^a-z0-9_]+")
# run_ + slug + _ + 64 digits must not pass the 128 characters of a safe id.
_MAX_SLUG = 58


def random_run_id(moment: datetime, entropy: bytes) -> str:
    """Return ``run_<yyyyMMddTHHmmssZ>_<8 hex>``; ``entropy`` is four random bytes."""
    return safe_id(f"run_{utc_stamp(moment)}_{entropy[:4].hex()}", _NOUN)


def template_run_id(template_id: str, input_hash: str) -> str:
    """Return ``run_<template id as slug>_<64 hex of the input hash>``: the same request, the same id."""
    slug = _NOT_SLUG.sub("-", template_id.lower()).strip("-")[:_MAX_SLUG] or "template"
    return safe_id(f"run_{slug}_{_digits(input_hash)}", _NOUN)


def model_run_id(scenario_hash: str) -> str:
    """Return ``run_deterministic_<16 hex of the scenario hash>`` for a model without a template."""
    return safe_id(f"run_deterministic_{_digits(scenario_hash)[:16]}", _NOUN)


def _digits(text: str) -> str:
    return text.removeprefix("sha256:")
