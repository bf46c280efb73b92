"""What to do next with a transform job. Pure: a row, one look at the world and the time give a plan.

Read from the top: the first line that fits decides. The way of a job: place → model → containers healthy → objects sent → containers
asked to end → their last log lines kept → the end. A container that dies on the way is replaced and the sending begun again; objects
that are done are not sent twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sagewright.features.transform.progress import TERMINAL, Result, Run
from sagewright.features.transform.sight import Act, Action, Clear, Halt, Reserve, Send, Sight
from sagewright.kernel.controller import Plan
from sagewright.serving.step import WAIT_SECONDS, Slot, Step, step, step_out
from sagewright.store.rows import Resource

STARTUP_SECONDS = 240.0
UNHEALTHY = "AlgorithmError: The container did not pass the ping health check. See job logs for more information."
REASON_LIMIT = 1024


def plan(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    run = Run.of(resource.status)
    if resource.state in TERMINAL:
        return Plan((Clear(),))
    if run is None:
        return _begin(resource, sight, now)
    if run.result is None and resource.state == "Stopping":
        return _decide(resource, run, Result("Stopped"), now)
    if run.result is not None:
        return _wind_up(resource, run, run.result, sight, now)
    if not sight.placed:
        return _place(sight, now)
    if sight.outcome is not None:
        return _decide(resource, run, _judged(sight.outcome), now)
    if sight.work.state == "failed":
        return _decide(resource, run, Result("Failed", sight.work.problem), now)
    return _go_on(resource, run, sight, now)


def _begin(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """The first look keeps what the model says now: it may be deleted while the job runs."""
    if resource.state == "Stopping":
        return _end(resource, Result("Stopped"), now)
    if sight.blueprint is None:
        return _end(resource, Result("Failed", sight.refusal), now)
    slots = tuple(Slot(index) for index in range(sight.blueprint.count))
    return _save(resource, Run(sight.blueprint, int(now), slots), (), now)


def _place(sight: Sight, now: float) -> Plan[Action]:
    runs = any(seen.container.state == "running" for seen in sight.containers)
    if sight.waiting and not runs:
        return Plan(due=now + WAIT_SECONDS)
    return Plan((Reserve(adopted=runs),), due=now)


def _go_on(resource: Resource, run: Run, sight: Sight, now: float) -> Plan[Action]:
    """One step of every container; all healthy, the objects are sent."""
    steps = [
        step(slot, seen, now, patient=False, startup_timeout=STARTUP_SECONDS, unhealthy=UNHEALTHY)
        for slot, seen in zip(run.slots, sight.containers, strict=True)
    ]
    failed = next((taken.failed for taken in steps if taken.failed), "")
    if failed:
        return _decide(resource, run, Result("Failed", _blamed(failed)), now)
    moved = replace(run, slots=tuple(taken.slot for taken in steps))
    actions = _moves(run, steps)
    if not moved.serves:
        halt: tuple[Action, ...] = (Halt(),) if sight.work.state != "absent" else ()
        return _save(resource, moved, (*halt, *actions), min(taken.due for taken in steps))
    if sight.work.state != "running":
        actions = (*actions, Send(moved))
    return _save(resource, moved, actions, min(taken.due for taken in steps), begun=now)


def _wind_up(resource: Resource, run: Run, result: Result, sight: Sight, now: float) -> Plan[Action]:
    """The containers end before the job does, so that who sees its end sees its whole log."""
    actions: list[Action] = [Halt()] if sight.work.state == "running" else []
    asked, due, gone = run.asked, float("inf"), True
    for slot, seen in zip(run.slots, sight.containers, strict=True):
        taken = step_out(run.asked, now, seen, now)
        actions += [Act(run, slot, move) for move in taken.moves]
        asked, due, gone = max(asked, taken.asked), min(due, taken.due), gone and taken.gone
    if gone:
        return _end(resource, result, now, tuple(actions))
    return _save(resource, replace(run, asked=asked), tuple(actions), max(due, now))


def _decide(resource: Resource, run: Run, result: Result, now: float) -> Plan[Action]:
    """How it ends is written down first."""
    return _save(resource, replace(run, result=result), (Halt(),), now)


def _judged(outcome: dict[str, Any]) -> Result:
    failures = outcome["failures"]
    if not failures:
        return Result("Completed")
    first = failures[0].split("\n", 1)[0]
    count = f"{len(failures)} of {outcome['objects']} input objects could not be transformed; {first}."
    return Result("Failed", f"ClientError: {count} See job logs for more information")


def _blamed(problem: str) -> str:
    return (
        problem if problem.startswith(("ClientError", "AlgorithmError", "InternalServerError")) else f"ClientError: {problem}"
    )


def _moves(run: Run, steps: list[Step]) -> tuple[Action, ...]:
    return tuple(Act(run, slot, move) for slot, taken in zip(run.slots, steps, strict=True) for move in taken.moves)


def _save(resource: Resource, run: Run, actions: tuple[Action, ...], due: float, begun: float | None = None) -> Plan[Action]:
    status = {**resource.status, "Run": run.document()}
    if begun is not None:
        status.setdefault("TransformStartTime", begun)
    return Plan(actions, status if status != resource.status else None, None, due)


def _end(resource: Resource, result: Result, now: float, actions: tuple[Action, ...] = ()) -> Plan[Action]:
    """The last state is written before the folder goes: a crash between loses nothing."""
    status = {name: value for name, value in resource.status.items() if name != "Run"}
    status["TransformEndTime"] = now
    if result.reason:
        status["FailureReason"] = result.reason[:REASON_LIMIT]
    return Plan(actions, status, result.state, now)
