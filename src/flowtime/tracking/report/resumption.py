"""Taking up a run again: what is done, what is left, and how."""

from __future__ import annotations

import os
from pathlib import Path

from flowtime.errors import RunConflictError
from flowtime.tracking.records import Record, RunStatus
from flowtime.tracking.report.run_status import read_status
from flowtime.tracking.report.sections import Section

__all__ = ["ResumePlan", "plan_resume", "resume_sections"]


class ResumePlan(Record, frozen=True, kw_only=True):
    """How a run that has ended goes on: the steps that are passed over, those that run, and by what.

    ``command`` and ``working_folder`` are of a run of ``flowtime track``, which can be run again by us; else they
    are None and ``hint`` says what to write.
    """

    run_id: str
    pipeline: str
    status: RunStatus
    sessions: int
    steps_done: tuple[str, ...] = ()
    steps_left: tuple[str, ...] = ()
    command: tuple[str, ...] | None = None
    working_folder: str | None = None
    hint: str = ""


def plan_resume(folder: Path) -> ResumePlan:
    """Return how a run would go on; one whose process is gone gets its final run.json first.

    Raises RunConflictError where it is going on, may be going on elsewhere, or is completed; RunError
    ``run.not_tracked``, RunNotFoundError, RunCorruptError and StorageError.
    """
    status = read_status(folder)
    if status.status in ("running", "pending"):
        raise RunConflictError(f"run {folder.name} is going on", hint=f"`flowtime runs watch {folder.name}` follows it")
    if status.status == "lost":
        raise RunConflictError(
            f"run {folder.name} may be alive on another host", hint="resume it on the host that it ran on"
        )
    if status.status == "completed":
        raise RunConflictError(f"run {folder.name} is completed", hint="begin a new run")
    steps = [step for step in status.steps if step.parent is None]
    command, place, hint = _command(folder, status.pipeline)
    return ResumePlan(
        run_id=status.run_id,
        pipeline=status.pipeline,
        status=status.status,
        sessions=status.sessions,
        steps_done=tuple(step.step_id for step in steps if step.status in ("completed", "skipped")),
        steps_left=tuple(step.step_id for step in steps if step.status not in ("completed", "skipped")),
        command=command,
        working_folder=place,
        hint=hint,
    )


def resume_sections(plan: ResumePlan) -> list[Section]:
    """Return the plan for a person."""
    facts = [
        ("done", ", ".join(plan.steps_done) or "no step"),
        ("left", ", ".join(plan.steps_left) or "no step that was named"),
        ("session", str(plan.sessions + 1)),
    ]
    if plan.command is not None:
        facts += [("command", " ".join(plan.command)), ("in", str(plan.working_folder))]
    else:
        facts.append(("how", plan.hint))
    return [Section(f"{plan.pipeline} ({plan.run_id}) was {plan.status}", (), facts)]


def _command(folder: Path, pipeline: str) -> tuple[tuple[str, ...] | None, str | None, str]:
    from flowtime.tracking.program.wrapper import resume_command

    try:
        found = resume_command(folder)
    except RunConflictError:
        root = os.path.relpath(folder.parent)
        call = f"flowtime.track({pipeline!r}, root={root!r}, run_id={folder.name!r}, resume=True)"
        return None, None, f"run its program again, with {call}"
    return found.arguments, str(found.folder), "run its command again"
