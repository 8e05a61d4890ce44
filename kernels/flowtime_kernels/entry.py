"""The kernels that callers run, in one place: importing this declares them, calling one compiles it."""

from __future__ import annotations

from flowtime_kernels.blocks import run_plan
from flowtime_kernels.lanes import LANES, run_lanes
from flowtime_kernels.random import draw_pmf, draw_poisson, fill_uniforms

__all__ = ["LANES", "draw_pmf", "draw_poisson", "fill_uniforms", "run_lanes", "run_plan"]
