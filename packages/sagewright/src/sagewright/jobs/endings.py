"""Stop and Delete of jobs: they write down what is wanted, and the controller of their kind makes it true."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from sagewright.jobs.progress import Progress
from sagewright.kernel.engine import Engine
from sagewright.kernel.kind import Kind
from sagewright.kernel.operation import Context, Handler
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation


def _as_it_is(status: Document, now: float) -> Document:
    return status


@dataclass(frozen=True, slots=True)
class Endings:
    """Of one kind. ``terminal`` are the states of a job that is over, ``stopping`` is that of one that was told to end.

    ``stopped`` is the status document of a job that is told at a time. ``shown``: the member of that document that says Deleting,
    where the service model has the word. ``refusal`` is the code of the error for deleting a job that is not over.
    """

    engine: Engine
    kind: str
    terminal: Collection[str]
    stopping: str = "Stopping"
    stopped: Callable[[Document, float], Document] = _as_it_is
    shown: str = ""
    refusal: str = "ResourceInUse"

    @classmethod
    def of(cls, progress: Progress, engine: Engine, kind: str, refusal: str = "ResourceInUse") -> Endings:
        """Of a kind whose status moves as ``progress`` says."""
        return cls(engine, kind, progress.terminal, progress.words.stopping, progress.stop_requested, refusal=refusal)

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {f"Stop{self.kind}": self.stop, f"Delete{self.kind}": self.delete}

    async def stop(self, context: Context, request: Document) -> Document:
        """API Stop…Job. Stopping a job that is stopping already changes nothing."""

        def work(transaction: Transaction) -> None:
            row = self.row(transaction, context, request)
            if row.state in self.terminal or row.state == "Deleting":  # the SDKs swallow a ValidationException here
                raise validation(f"The request was rejected because the {self._kind.words} is in status {row.state}.")
            if row.state != self.stopping:
                status = self.stopped(dict(row.status), context.now)
                saved = replace(row, state=self.stopping, status=status, modified=context.now, due=context.now)
                transaction.resources.save(saved)

        await self.engine.store.write(work)
        return {}

    async def delete(self, context: Context, request: Document) -> Document:
        """API Delete…Job: only of a job that has ended. The controller removes row and files."""

        def work(transaction: Transaction) -> None:
            row = self.row(transaction, context, request)
            if row.state == "Deleting":
                return
            if row.state not in self.terminal:
                text = f"The {self._kind.words} {row.arn} cannot be deleted in status {row.state}. Stop it first."
                raise Fault(self.refusal, text)
            status = {**row.status, **({self.shown: "Deleting"} if self.shown else {})}
            transaction.resources.save(replace(row, state="Deleting", status=status, modified=context.now, due=context.now))

        await self.engine.store.write(work)
        return {}

    def row(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        """The job that a request names. Raises Fault."""
        return self.engine.catalog.find(transaction, context.world, self._kind, request)

    @property
    def _kind(self) -> Kind:
        return self.engine.catalog[self.kind]
