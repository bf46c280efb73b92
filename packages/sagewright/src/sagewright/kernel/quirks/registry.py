"""Model registry, experiments, lineage, cards, pipelines and monitoring definitions.

Sources: ACK = aws-controllers-k8s/sagemaker-controller generator.yaml; TF = terraform-provider-aws internal/service/sagemaker;
SDK = sagemaker-python-sdk; DOC = the operation's page in the SageMaker API reference; MODEL = botocore's sagemaker 2017-07-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.kernel.kind import Kind, Parent, Reference, Wording
from sagewright.kernel.operation import Context
from sagewright.kernel.quirks.wording import absent, in_use, invalid, unique
from sagewright.store.rows import Document
from sagewright.wire.errors import not_available


def display_name(_: Context, spec: Document) -> Document:
    """DOC (CreateExperiment, CreateTrial, CreateTrialComponent): DisplayName is the name when it is not given."""
    name = next(value for member, value in spec.items() if member in ("ExperimentName", "TrialName", "TrialComponentName"))
    return {} if "DisplayName" in spec else {"DisplayName": name}


def monitored_endpoint(_: Context, spec: Document) -> Document:
    """MODEL: the summary of a monitoring job definition requires EndpointName; a batch input has none, AWS answers it empty then."""
    inputs: Document = next((value for member, value in spec.items() if member.endswith("JobInput")), {})
    return {"EndpointName": inputs.get("EndpointInput", {}).get("EndpointName", "")}


def no_validation(_: Context, request: Document) -> None:
    """A validation specification starts training and transform jobs in a profile of its own: refused until something runs them."""
    if "ValidationSpecification" in request:
        raise not_available("CreateAlgorithm with ValidationSpecification")


def validated(_: Context, spec: Document) -> Document:
    """MODEL: AlgorithmStatusDetails is required; without validation there is nothing to tell in it."""
    return {"AlgorithmStatusDetails": {}}


# MODEL: the summaries of all four say MonitoringJobDefinition…; DOC (Delete…JobDefinition): ResourceNotFound.
_DEFINITION: Mapping[str, Any] = {
    "aliases": {"MonitoringJobDefinitionName": "JobDefinitionName", "MonitoringJobDefinitionArn": "JobDefinitionArn"},
    "fills": (monitored_endpoint,),
    "exists": in_use("Job definition with name {name} already exists ({arn})"),
}
_SOURCE = {"SourceUri": "Source.SourceUri"}

REGISTRY: Mapping[str, Mapping[str, Any]] = {
    # SDK: falls back to Describe on ValidationException "already exists". DOC: names are not case-sensitive.
    # DOC (DeleteExperiment): all trials must be deleted first; (DeleteTrial): all components must be disassociated first.
    "Experiment": {"exists": unique("Experiment"), "caseless": True, "fills": (display_name,)},
    "Trial": {
        "exists": unique("Trial"),
        "caseless": True,
        "fills": (display_name,),
        "parent": Parent(
            "Experiment",
            "ExperimentName",
            wording=invalid("Experiment ({name}) can not be deleted as it is associated with trials. Delete its trials first."),
        ),
    },
    # DOC (UpdateTrialComponent): Parameters and artifacts replace entries of the same key and keep the others.
    "TrialComponent": {
        "exists": unique("Trial Component"),
        "caseless": True,
        "fills": (display_name,),
        "merged": frozenset({"Parameters", "InputArtifacts", "OutputArtifacts"}),
    },
    # SDK (lineage): "already exists"; MODEL: filters name members inside Source.
    "Context": {"exists": unique("Context"), "aliases": _SOURCE},
    "Action": {"exists": unique("Action"), "aliases": _SOURCE},
    "Artifact": {
        "exists": invalid("Artifact names must be unique within an AWS account and region. Artifact ({arn}) already exists."),
        "aliases": _SOURCE,
    },
    # ACK: ends with "does not exist." ; SDK: "ModelPackage already exists".
    "ModelPackage": {
        "missing": invalid("ModelPackage {arn} does not exist."),
        "exists": invalid("ModelPackage already exists: {arn}"),
        "merged": frozenset({"CustomerMetadataProperties"}),
        "parent": Parent(
            "ModelPackageGroup",
            "ModelPackageGroupName",
            wording=Wording("ConflictException", "Model Package Group {arn} contains model packages and cannot be deleted."),
        ),
    },
    "ModelPackageGroup": {
        "missing": invalid("ModelPackageGroup {arn} does not exist."),
        "exists": invalid("Model Package Group already exists: {arn}"),
    },
    # TF: contains "does not exist". DOC: status Completed once it can be used.
    "Algorithm": {
        "missing": invalid("Algorithm {arn} does not exist."),
        "exists": invalid("Algorithm already exists: {arn}"),
        "rules": (no_validation,),
        "fills": (validated,),
    },
    # MODEL: Create declares ConflictException.
    "ModelCard": {
        "exists": Wording("ConflictException", "ModelCard with name {name} already exists."),
        "status": "",
        "initial": "",
    },
    # SDK (upsert): ValidationException "already exists", then UpdatePipeline. DOC (DeletePipeline): its executions go with it.
    "Pipeline": {
        "exists": unique("Pipeline"),
        "missing": absent("Pipeline '{arn}' does not exist."),
        "aliases": {"PipelineNamePrefix": "PipelineName"},
    },
    "Hub": {"exists": in_use("Hub {name} already exists.")},
    "DataQualityJobDefinition": _DEFINITION,
    "ModelBiasJobDefinition": _DEFINITION,
    "ModelExplainabilityJobDefinition": _DEFINITION,
    "ModelQualityJobDefinition": _DEFINITION,
}

# MODEL: made by ImportHubContent and CreateHubContentReference, not by a Create and Describe of one name.
HUB_CONTENT = Kind(
    name="HubContent",
    identity=("HubName", "HubContentType", "HubContentName", "HubContentVersion"),
    arn="HubContentArn",
    slug="hub-content",
    status="HubContentStatus",
    initial="Available",
    times=(("CreationTime", True), ("LastModifiedTime", False), ("OriginalCreationTime", True)),
    missing=absent("HubContent {name} does not exist."),
    exists=in_use("HubContent {name} already exists."),
    references=(Reference("HubName", "Hub"),),
    parent=Parent("Hub", "HubName", wording=in_use("Hub {name} still has contents. Delete them first.")),
    arn_keeps_case=True,
    author=True,
)

# MODEL: an association has no name, no ARN and no Describe.
ASSOCIATION = Kind(
    name="Association",
    list="ListAssociations",
    identity=("SourceArn", "DestinationArn"),
    times=(("CreationTime", True),),
    missing=absent("Association from {name} does not exist."),
    exists=invalid("Association already exists: {name}"),
    author=True,
    tagged=False,
)

# MODEL: versions are listed below their card and have no ARN of their own.
MODEL_CARD_VERSION = Kind(
    name="ModelCardVersion",
    list="ListModelCardVersions",
    identity=("ModelCardName", "ModelCardVersion"),
    times=(("CreationTime", True), ("LastModifiedTime", False)),
    aliases={"Version": "ModelCardVersion"},
    missing=absent("ModelCard version {name} does not exist."),
    parent=Parent("ModelCard", "ModelCardName", orphans="cascade"),
    author=True,
    tagged=False,
)

PIPELINE_VERSION = Kind(
    name="PipelineVersion",
    list="ListPipelineVersions",
    identity=("PipelineName", "PipelineVersionId"),
    times=(("CreationTime", True), ("LastModifiedTime", False)),
    missing=absent("Pipeline version {name} does not exist."),
    parent=Parent("Pipeline", "PipelineName", orphans="cascade"),
    author=True,
    tagged=False,
)
