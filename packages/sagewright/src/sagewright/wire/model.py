"""The published service models, read once and only when needed.

botocore's models are the specification of what goes over the wire. Only the package ``wire`` may import botocore, so the types that
others need to read a model are re-exported here. Loading ``sagemaker`` costs about 0.1 s; everything here is therefore lazy and cached.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

__all__ = [
    "SERVED",
    "ListShape",
    "MapShape",
    "OperationModel",
    "Served",
    "ServiceModel",
    "Shape",
    "StringShape",
    "StructureShape",
    "operation_model",
    "served",
    "service_model",
    "services_signing_as",
]


class Served(NamedTuple):
    """A service we answer for.

    ``name`` is botocore's, ``signing_name`` stands in the credential scope, ``target_prefix`` in X-Amz-Target (empty for a REST service).
    All three are also in the models; they are repeated so that a request can be routed before any large model is loaded. ``only`` names
    the operations of a service of which we answer next to nothing: of its model the rest is left out. Empty: all of them are known.
    """

    name: str
    signing_name: str
    target_prefix: str = ""
    only: tuple[str, ...] = ()


SERVED = (
    Served("sagemaker", "sagemaker", "SageMaker"),
    Served("sagemaker-runtime", "sagemaker"),
    Served("sagemaker-featurestore-runtime", "sagemaker"),
    Served("sagemaker-metrics", "sagemaker"),
    Served("sagemaker-a2i-runtime", "sagemaker"),
    Served("sagemaker-edge", "sagemaker"),
    Served("sts", "sts"),
    Served("iam", "iam"),
    Served("logs", "logs", "Logs_20140328"),
    Served("ecr", "ecr", "AmazonEC2ContainerRegistry_V20150921"),
    Served("cloudwatch", "monitoring", "GraniteServiceVersion20100801"),
    Served("events", "events", "AWSEvents"),
    Served("service-quotas", "servicequotas", "ServiceQuotasV20190624"),
    Served("application-autoscaling", "application-autoscaling", "AnyScaleFrontendService"),
    Served("sqs", "sqs", "AmazonSQS"),
    Served("sns", "sns"),
    Served("ec2", "ec2", only=("DescribeInstanceTypes",)),
)


@cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service by botocore's name; raises botocore's UnknownServiceError for a name it does not have."""
    entry = _BY_NAME.get(service)
    if entry is None or not entry.only:
        return ServiceModel(_LOADER.load_service_model(service, "service-2"), service)
    return ServiceModel(_part_of(Loader().load_service_model(service, "service-2"), entry.only), service)


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Raises botocore's OperationNotFoundError when the service has no such operation."""
    return service_model(service).operation_model(operation)


@cache
def services_signing_as(signing_name: str) -> tuple[Served, ...]:
    """The served services whose requests carry ``signing_name`` in their credential scope; empty when there is none."""
    return tuple(entry for entry in SERVED if entry.signing_name == signing_name)


def served(service: str) -> Served:
    """Raises KeyError for a service that is not served."""
    return _BY_NAME[service]


def _part_of(document: dict[str, Any], operations: tuple[str, ...]) -> dict[str, Any]:
    """A model with these operations and the shapes they need: EC2's whole one has 700 operations, and stays in memory."""
    kept = {name: document["operations"][name] for name in operations}
    shapes: dict[str, Any] = {}
    waiting: list[Any] = list(kept.values())
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict):
            waiting.extend(part if isinstance(part, list) else ())
            continue
        name = part.get("shape")
        if isinstance(name, str) and name not in shapes:
            shapes[name] = document["shapes"][name]
            waiting.append(shapes[name])
        waiting.extend(part.values())
    return {**document, "operations": kept, "shapes": shapes}


_LOADER = Loader()
_BY_NAME = {entry.name: entry for entry in SERVED}
