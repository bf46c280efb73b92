"""Makes inference experiments true: looks at their endpoints, asks plan.py, and does what it says through the public API."""

from __future__ import annotations

from sagewright.compute.way_back import SESSION
from sagewright.features.experiments import plan as planning
from sagewright.features.experiments.rules import incompatible
from sagewright.features.experiments.settings import ENDED, KIND
from sagewright.features.experiments.sight import Action, Deploy, Sample, Sight
from sagewright.kernel.client import PASSING, Client, looked_up
from sagewright.kernel.controller import Later, Plan
from sagewright.kernel.operation import Caller
from sagewright.store.rows import Document, Identity, Resource
from sagewright.wire.credentials import assumed_role_arn
from sagewright.wire.errors import Fault

ACCESS_KEY = "SAGEWRIGHTEXPERIMENT"
"""No key that a signature could prove: a caller who has it is this process."""
RETRY_SECONDS = 1.0


class ExperimentController:
    """See kernel.controller.Controller."""

    kind = KIND

    def __init__(self, client: Client) -> None:
        self._client = client
        self._refusals: dict[Identity, str] = {}

    async def observe(self, resource: Resource) -> Sight:
        """The endpoint and its configuration, if they are there."""
        if resource.state in ENDED:
            return Sight()
        endpoint = await self._found(resource, "Endpoint", resource.spec["EndpointName"])
        refusal = self._refusals.pop(resource.identity, "")
        if endpoint is None or resource.state != "Starting" or "Former" in resource.status:
            return Sight(endpoint, refusal=refusal)
        config = await self._found(resource, "EndpointConfig", endpoint["EndpointConfigName"])
        if config is None:
            return Sight(endpoint, refusal=f'Could not find endpoint configuration "{endpoint["EndpointConfigName"]}".')
        source = resource.spec["ShadowModeConfig"]["SourceModelVariantName"]
        return Sight(endpoint, _request(config), refusal or incompatible(config, source))

    def plan(self, resource: Resource, observed: Sight, now: float) -> Plan[Action]:
        """See plan.py."""
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action; one that is refused for good ends the experiment with the next look."""
        try:
            match action:
                case Deploy(endpoint, config):
                    await self._deploy(resource, endpoint, config)
                case Sample(endpoint, variant, weight):
                    wish = [{"VariantName": variant, "DesiredWeight": weight}]
                    request = {"EndpointName": endpoint, "DesiredWeightsAndCapacities": wish}
                    await self._call(resource, "UpdateEndpointWeightsAndCapacities", request)
        except Fault as fault:
            if fault.status >= PASSING or "in-progress" in fault.message:
                raise Later(RETRY_SECONDS, str(fault)) from fault
            self._refusals[resource.identity] = fault.message

    async def _deploy(self, resource: Resource, name: str, config: Document) -> None:
        wanted = config["EndpointConfigName"]
        endpoint = await self._found(resource, "Endpoint", name)
        if endpoint is not None and _comes(endpoint) == wanted:
            return
        if await self._found(resource, "EndpointConfig", wanted) is None:
            await self._call(resource, "CreateEndpointConfig", config)
        verb = "Create" if endpoint is None else "Update"
        await self._call(resource, f"{verb}Endpoint", {"EndpointName": name, "EndpointConfigName": wanted})

    async def _found(self, resource: Resource, kind: str, name: str) -> Document | None:
        return await looked_up(self._call(resource, f"Describe{kind}", {f"{kind}Name": name}), RETRY_SECONDS)

    async def _call(self, resource: Resource, operation: str, request: Document) -> Document:
        """As the experiment's role, as which AWS acts, too."""
        caller = Caller(resource.world, assumed_role_arn(resource.spec["RoleArn"], SESSION), ACCESS_KEY)
        return await self._client.call(caller, "sagemaker", operation, request)


def _comes(endpoint: Document) -> str:
    """The configuration that the endpoint has, or is about to have."""
    pending = endpoint.get("PendingDeploymentSummary", {})
    return str(pending.get("EndpointConfigName") or endpoint["EndpointConfigName"])


def _request(config: Document) -> Document:
    """A CreateEndpointConfig request from what DescribeEndpointConfig answered."""
    return {member: value for member, value in config.items() if member not in ("EndpointConfigArn", "CreationTime")}
