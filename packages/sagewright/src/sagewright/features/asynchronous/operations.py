"""InvokeEndpointAsync: accepted means on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sagewright.base.world import World
from sagewright.features.asynchronous.request import Ticket, location, row
from sagewright.kernel.operation import Context
from sagewright.store.database import Store
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

Routes = Callable[[World, str], Mapping[str, Any] | None]
"""What the route snapshot says of an endpoint."""


class AsynchronousOperations:
    """``accept`` is told of each request once it is written."""

    def __init__(self, store: Store, routes: Routes, accept: Callable[[Ticket], None]) -> None:
        self._store = store
        self._routes = routes
        self._accept = accept

    async def invoke(self, context: Context, request: Document) -> Document:
        """InvokeEndpointAsync. Raises Fault."""
        config = self._config(context, request["EndpointName"])
        _check_input(request)
        accepted = row(context, request, config)
        await self._store.write(lambda transaction: transaction.resources.insert(accepted))
        self._accept(Ticket(accepted.world, accepted.key, accepted.due or 0.0))
        answer = {"InferenceId": accepted.spec["InferenceId"], "OutputLocation": accepted.spec["Output"]}
        return {**answer, "FailureLocation": accepted.spec["Failure"]} if accepted.spec["Failure"] else answer

    def _config(self, context: Context, name: str) -> Mapping[str, Any]:
        route = self._routes(context.world, name)
        if route is None:
            raise Fault("ValidationError", f"Endpoint {name} of account {context.world.account} not found.")
        config: Mapping[str, Any] | None = route.get("async")
        if config is None:
            raise Fault("ValidationError", f"Endpoint {name} is not an asynchronous endpoint: it has no AsyncInferenceConfig.")
        return config


def _check_input(request: Document) -> None:
    """API InvokeEndpointAsync: "Body and InputLocation are mutually exclusive. Provide exactly one of them"; the words are ours."""
    inline = bool(request.get("Body"))
    if inline == ("InputLocation" in request):
        raise Fault("ValidationError", "Exactly one of Body and InputLocation must be provided.")
    if inline:
        return
    try:
        location(request["InputLocation"])
    except ValueError:
        raise Fault("ValidationError", f"InputLocation {request['InputLocation']} is not an S3 object.") from None
