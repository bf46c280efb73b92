"""Kinds: what is derived must fit the model, and a quirk that no longer names anything must be noticed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sagewright.base.world import World
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.derive import kinds
from sagewright.kernel.kind import Kind
from sagewright.kernel.listing import List
from sagewright.kernel.paging import Tokens
from sagewright.kernel.quirks import EXTRA, QUIRKS, RECORDS
from sagewright.kernel.shapes import Model, members
from sagewright.wire.patterns import matcher

MODEL = Model("sagemaker")
KINDS = kinds(MODEL, QUIRKS, EXTRA, RECORDS)
WORLD = World("123456789012", "us-east-1")
EVERY = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


def test_tables_name_kinds_that_are_there() -> None:
    assert set(QUIRKS) <= set(KINDS)
    assert set(KINDS) >= RECORDS


def test_what_nobody_decided_is_work() -> None:
    """A kind that a new botocore brings is refused until someone looks at it."""
    assert all(kind.work for kind in kinds(MODEL, {}, (), ()).values())
    assert KINDS["TrainingJob"].work
    assert KINDS["FeatureGroup"].work
    assert not KINDS["Model"].work


@EVERY
def test_arns_look_like_the_models(kind: Kind) -> None:
    """The slug of an ARN comes from the pattern of its shape, or must fit it."""
    shown = {**members(MODEL.output(kind.describe)), **members(MODEL.output(kind.create))}
    pattern = shown[kind.arn].metadata.get("pattern") if kind.arn in shown else None
    if pattern is None or kind.name in (
        "Device",
        "DeviceFleet",
        "ClusterExtension",
        "ModelCardExportJob",
        "EdgeDeploymentPlan",
        "EdgePackagingJob",
    ):
        return  # DeviceFleet says iam, Device and Edge… allow no digit in the region; the others have ARNs of several parts, written by hand
    key = (
        kind.new_id()
        if kind.new_id
        else "/".join("name" if member != "JobCategory" else "AgentRFT" for member in kind.identity)
    )
    if kind.name == "ImageVersion":
        key = "name/1"
    assert matcher(pattern)(kind.arn_of(WORLD, key)), (kind.arn_of(WORLD, key), pattern)


@EVERY
def test_references_name_members_of_the_request(kind: Kind) -> None:
    for reference in kind.references:
        assert reference.kind in KINDS
        if kind.create:
            assert _resolves(MODEL.input(kind.create), reference.path), reference.path


@EVERY
def test_aliases_lead_somewhere(kind: Kind) -> None:
    sources = [MODEL.input(kind.create), MODEL.output(kind.describe), MODEL.output(kind.create)]
    if kind.list and kind.items:
        sources.append(MODEL.output(kind.list).members[kind.items].member)  # a filter on what only a summary has
    if kind.update:
        sources.append(MODEL.input(kind.update))  # what only an update says
    for path in kind.aliases.values():
        first = path.partition(".")[0]
        assert any(_resolves(shape, path) for shape in sources) or first in kind.identity, path


@EVERY
def test_states_are_the_models(kind: Kind) -> None:
    if kind.status and not kind.envelope and kind.describe:
        assert kind.initial in members(MODEL.output(kind.describe))[kind.status].enum


def test_parents_follow_from_identities() -> None:
    assert KINDS["UserProfile"].parent is not None
    assert KINDS["UserProfile"].parent.kind == "Domain"
    assert KINDS["AutoMLJobV2"].parent is None
    assert KINDS["AutoMLJobV2"].references == ()
    assert {reference.kind for reference in KINDS["TransformJob"].references} == {"Model"}
    assert [reference.kind for reference in KINDS["EdgePackagingJob"].references] == ["CompilationJob"]


@pytest.mark.parametrize(
    ("kind", "slug"),
    [
        ("AutoMLJobV2", "automl-job"),
        ("TrialComponent", "experiment-trial-component"),
        ("HyperParameterTuningJob", "hyper-parameter-tuning-job"),
        ("Workteam", "workteam/private-crowd"),
        ("DataQualityJobDefinition", "data-quality-job-definition"),
        ("MlflowTrackingServer", "mlflow-tracking-server"),
        ("InferenceComponent", "inference-component"),
    ],
)
def test_slugs(kind: str, slug: str) -> None:
    assert KINDS[kind].slug == slug


def test_generated_names_have_awss_forms() -> None:
    forms = {
        "Domain": "d-[a-z0-9]{12}",
        "Project": "p-[a-z0-9]{12}",
        "PartnerApp": "app-[A-Z0-9]{12}",
        "Cluster": "[a-z0-9]{12}",
    }
    for name, form in forms.items():
        new_id = KINDS[name].new_id
        assert new_id is not None
        assert re.fullmatch(form, new_id())


def _resolves(shape: Any, path: str) -> bool:
    for step in path.split("."):
        if shape is None or shape.type_name != "structure" or step.removesuffix("[]") not in shape.members:
            return False
        shape = shape.members[step.removesuffix("[]")]
        if step.endswith("[]"):
            shape = shape.member
    return True


def test_filters_that_lead_nowhere_are_known() -> None:
    """Lists refuse filters that no document can answer; here are all of them, so that a new one is noticed."""
    catalog = Catalog(MODEL, KINDS)
    found = set()
    for kind in KINDS.values():
        if kind.list:
            listing = List(catalog, None, kind, kind.list, Tokens(b""))  # type: ignore[arg-type]
            found |= {f"{kind.list}.{member}" for member in listing.refused_filters}
    assert found == {
        "ListClusters.TrainingPlanArn",
        "ListTrainingPlans.Filters",
        # written by hand in features/records:
        "ListDevices.ModelName",
        "ListModelPackages.ModelPackageType",
        "ListPipelines.ManagedBy",
        "ListTrialComponents.ExperimentName",
        "ListTrialComponents.SourceArn",
        "ListTrialComponents.TrialName",
        "ListTrials.TrialComponentName",
    }
