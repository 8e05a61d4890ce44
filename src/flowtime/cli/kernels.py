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

    root = kernel_folder()
    announce_compilation(root)
    report = kernel_cache.warm(root)
    fields = {"folder": report.folder, "compiled": report.compiled, "seconds": round(report.seconds, 3)}
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
