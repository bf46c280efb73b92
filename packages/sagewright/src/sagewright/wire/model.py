"""The published service models, read once and only when needed.

botocore's models are the specification of what goes over the wire. Only the package ``wire`` may import botocore, so the types that
others need to read a model are re-exported here. Loading ``sagemaker`` costs about 0.1 s; everything here is therefore lazy and cached.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

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
    All three are also in the models; they are repeated so that a request can be routed before any large model is loaded.
    """

    name: str
    signing_name: str
    target_prefix: str = ""


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
)


@cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service by botocore's name; raises botocore's UnknownServiceError for a name it does not have."""
    return ServiceModel(_LOADER.load_service_model(service, "service-2"), service)


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


_LOADER = Loader()
_BY_NAME = {entry.name: entry for entry in SERVED}
