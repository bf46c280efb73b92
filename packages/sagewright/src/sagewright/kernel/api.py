"""From an HTTP request to an HTTP answer: which operation, is the request right, who handles it, what went wrong."""

from __future__ import annotations

import logging

from sagewright.base.clock import Clock
from sagewright.base.ids import request_id as new_request_id
from sagewright.kernel.operation import Caller, Context, Operations
from sagewright.store.rows import Document
from sagewright.wire.dispatch import fault_response, resolve
from sagewright.wire.errors import Fault, not_available
from sagewright.wire.http import Request, Response

log = logging.getLogger(__name__)


class Api:
    """Answers every request; nothing but cancellation gets out of ``handle``."""

    def __init__(self, operations: Operations, clock: Clock) -> None:
        self._operations = operations
        self._clock = clock

    async def handle(self, caller: Caller, signing_name: str, request: Request) -> Response:
        """``signing_name`` is the service of the credential scope; ``caller`` was proven by the signature."""
        request_id = new_request_id()
        try:
            call = resolve(signing_name, request)
        except Fault as fault:
            return fault_response(request, fault, request_id, signing_name)
        except Exception:  # noqa: BLE001 - as below
            return fault_response(request, _bug("resolving", request_id), request_id, signing_name)
        try:
            document = call.parse(request)
            answer = await self.run(caller, call.service, call.name, document, request_id)
            return call.answer(answer, request_id)
        except Fault as fault:
            return call.fault(fault, request_id)
        except Exception:  # noqa: BLE001 - the caller must get an answer whatever our bug is
            return call.fault(_bug(f"{call.service}.{call.name}", request_id), request_id)

    async def run(self, caller: Caller, service: str, name: str, document: Document, request_id: str) -> Document:
        """A validated document's way through its handler; raises Fault, or any other exception for a bug."""
        handler = self._operations.find(service, name)
        if handler is None:
            raise not_available(name)
        return await handler(Context(caller, request_id, self._clock.now()), document)


def _bug(what: str, request_id: str) -> Fault:
    """Logged whole for the operator; the caller learns only where to look. The request is not logged: it may hold secrets."""
    log.exception("%s failed, request id %s", what, request_id)
    return Fault("InternalFailure", f"The request failed because of an internal error; request id {request_id}.", 500)
