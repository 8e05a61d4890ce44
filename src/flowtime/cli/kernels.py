"""``flowtime kernels``: the compiled core on disk, so that no run waits for a compiler."""

from __future__ import annotations

import click

from flowtime.cli.options import json_option, kernel_folder

__all__ = ["kernels"]


@click.group()
def kernels() -> None:
    """Compile, show or remove the compiled kernels kept on disk."""


@kernels.command()
@json_option
def warm(as_json: bool) -> None:
    """Compile the kernels that are not on disk yet."""
    from flowtime.cli.console import announce_compilation, print_fields
    from flowtime.engine import kernel_cache
    from flowtime.state.windows import warm_window_kernels
    from flowtime.telemetry.gap_kernels import warm_gap_kernels

    root = kernel_folder()
    announce_compilation(root, families=kernel_cache.FAMILIES)
    reports = [warm(root) for warm in (kernel_cache.warm, warm_gap_kernels, warm_window_kernels)]
    fields = {
        "folder": reports[0].folder,
        "compiled": any(report.compiled for report in reports),
        "seconds": round(sum(report.seconds for report in reports), 3),
    }
    print_fields(fields, as_json=as_json)


@kernels.command()
@json_option
def info(as_json: bool) -> None:
    """Show where the compiled kernels are, and whether they are warm."""
    from flowtime.cli.console import print_fields
    from flowtime.engine import kernel_cache

    found = kernel_cache.info(kernel_folder())
    fields = {
        "folder": found.folder,
        "signature": found.signature,
        "isWarm": found.is_warm,
        "families": found.families if as_json else ", ".join(found.families) or "none",
        "files": found.files,
        "bytes": found.bytes,
    }
    print_fields(fields, as_json=as_json)


@kernels.command()
@json_option
def clear(as_json: bool) -> None:
    """Remove the compiled kernels; the next run compiles them again."""
    from flowtime.cli.console import print_fields
    from flowtime.engine import kernel_cache

    print_fields({"removedFiles": kernel_cache.clear(kernel_folder())}, as_json=as_json)
