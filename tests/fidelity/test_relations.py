"""What resources mean to one another: references, parents, protection from deletion, client tokens, generated names.

Feature rows F04, F06, M03, K02, L04, D02.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import IMAGE, ROLE, Harness

from sagewright.base.clock import VirtualClock

SETTINGS: dict[str, Any] = {"AuthMode": "IAM", "DefaultUserSettings": {}, "SubnetIds": ["subnet-1"], "VpcId": "vpc-1"}
SOURCE = {"SourceUri": "s3://bucket/key"}


@pytest.fixture
def client() -> Iterator[Any]:
    with Harness() as harness:
        yield harness.client("sagemaker")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_model_before_configuration(client: Any) -> None:
    """K02: what a configuration names must be there, before the name is looked at; a model in use may go (as on AWS)."""
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    with pytest.raises(ClientError, match=r'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/m"\.'):
        client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    client.create_model(ModelName="m", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    assert client.describe_endpoint_config(EndpointConfigName="c")["ProductionVariants"][0]["InitialVariantWeight"] == 1.0
    with pytest.raises(ClientError, match="Duplicate production variant"):
        client.create_endpoint_config(EndpointConfigName="d", ProductionVariants=[variant, variant])
    client.delete_model(ModelName="m")


def test_one_container_or_many(client: Any) -> None:
    with pytest.raises(ClientError, match="Both PrimaryContainer and Containers"):
        client.create_model(
            ModelName="m", PrimaryContainer={"Image": IMAGE}, Containers=[{"Image": IMAGE}], ExecutionRoleArn=ROLE
        )
    with pytest.raises(ClientError, match="Either Image or ModelPackageName"):
        client.create_model(ModelName="m", PrimaryContainer={"Environment": {}}, ExecutionRoleArn=ROLE)


def test_names_that_differ_in_case_share_an_arn(client: Any) -> None:
    """The ARN keeps the name in lower case, so the second of two such names is taken."""
    client.create_model(ModelName="Model", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    with pytest.raises(ClientError, match="already existing"):
        client.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)


def test_domain_and_those_in_it(client: Any) -> None:
    """F04, F06: ids like d-…, profiles and spaces need their domain and keep it."""
    made = client.create_domain(DomainName="dom", **SETTINGS)
    domain = made["DomainId"]
    assert re.fullmatch(r"d-[a-z0-9]{12}", domain)
    assert made["DomainArn"].endswith(f"domain/{domain}")
    assert client.describe_domain(DomainId=domain)["Status"] == "InService"
    with pytest.raises(ClientError) as error:
        client.create_user_profile(DomainId="d-nobody", UserProfileName="u")
    assert code(error) == "ResourceNotFound"
    profile = client.create_user_profile(DomainId=domain, UserProfileName="u")
    assert profile["UserProfileArn"].endswith(f"user-profile/{domain}/u")
    client.create_space(DomainId=domain, SpaceName="s", SpaceSettings={"AppType": "JupyterLab"})
    assert client.list_spaces()["Spaces"][0]["SpaceSettingsSummary"] == {"AppType": "JupyterLab"}
    for delete in (
        lambda: client.delete_user_profile(DomainId=domain, UserProfileName="u"),
        lambda: client.delete_space(DomainId=domain, SpaceName="s"),
    ):
        with pytest.raises(ClientError) as error:
            client.delete_domain(DomainId=domain)
        assert code(error) == "ResourceInUse"
        delete()
    client.delete_domain(DomainId=domain)


def test_settings_that_are_not_given_stay(client: Any) -> None:
    """UpdateDomain, UpdateUserProfile."""
    domain = client.create_domain(DomainName="dom", **{**SETTINGS, "DefaultUserSettings": {"ExecutionRole": ROLE}})["DomainId"]
    client.update_domain(
        DomainId=domain,
        DefaultUserSettings={"StudioWebPortal": "ENABLED"},
        DomainSettingsForUpdate={"ExecutionRoleIdentityConfig": "DISABLED"},
    )
    described = client.describe_domain(DomainId=domain)
    assert described["DefaultUserSettings"] == {"ExecutionRole": ROLE, "StudioWebPortal": "ENABLED"}
    assert described["DomainSettings"] == {"ExecutionRoleIdentityConfig": "DISABLED"}


def test_directories_are_made_with_the_resource(tmp_path: Path) -> None:
    """F05: the composition is told of every new resource, inside the transaction that makes it."""
    told: list[str] = []

    def made(resource: Any) -> None:
        told.append(f"{resource.kind} {resource.name}")
        if resource.name == "refused":
            raise OSError("no space")

    with Harness(made=made) as harness:
        client = harness.client("sagemaker")
        domain = client.create_domain(DomainName="dom", **SETTINGS)["DomainId"]
        with pytest.raises(ClientError) as error:
            client.create_user_profile(DomainId=domain, UserProfileName="refused")
        assert code(error) == "InternalFailure"
        assert client.list_user_profiles()["UserProfiles"] == []
    assert told == ["Domain dom", "UserProfile refused"]


def test_experiment_trial_and_component(client: Any) -> None:
    """M03: order of deletion, names without case, many to many."""
    client.create_experiment(ExperimentName="Exp")
    client.create_trial(TrialName="Trial", ExperimentName="exp")
    for name in ("one", "two"):
        client.create_trial_component(TrialComponentName=name)
        client.associate_trial_component(TrialComponentName=name, TrialName="Trial")
    assert client.describe_experiment(ExperimentName="EXP")["ExperimentName"] == "Exp"
    assert client.describe_experiment(ExperimentName="exp")["DisplayName"] == "Exp"
    assert client.describe_trial(TrialName="trial")["CreatedBy"]["IamIdentity"]["Arn"].startswith("arn:aws:iam::123456789012:")
    listed = client.list_trial_components(TrialName="Trial")["TrialComponentSummaries"]
    assert {item["TrialComponentName"] for item in listed} == {"one", "two"}
    assert len(client.list_trial_components(ExperimentName="Exp")["TrialComponentSummaries"]) == 2
    assert [item["TrialName"] for item in client.list_trials(TrialComponentName="one")["TrialSummaries"]] == ["Trial"]
    assert [item["TrialName"] for item in client.list_trials(ExperimentName="Exp")["TrialSummaries"]] == ["Trial"]
    for call in (
        lambda: client.delete_experiment(ExperimentName="Exp"),
        lambda: client.delete_trial(TrialName="Trial"),
        lambda: client.delete_trial_component(TrialComponentName="one"),
    ):
        with pytest.raises(ClientError, match="can not be deleted"):
            call()
    for name in ("one", "two"):
        client.disassociate_trial_component(TrialComponentName=name, TrialName="Trial")
        client.delete_trial_component(TrialComponentName=name)
    client.delete_trial(TrialName="Trial")
    client.delete_experiment(ExperimentName="Exp")


def test_component_entries_merge(client: Any) -> None:
    """DOC (UpdateTrialComponent): entries of the same key are replaced, others stay, …ToRemove takes them out."""
    client.create_trial_component(TrialComponentName="c", Parameters={"a": {"NumberValue": 1}, "b": {"NumberValue": 2}})
    client.update_trial_component(
        TrialComponentName="c", Parameters={"b": {"NumberValue": 3}, "c": {"NumberValue": 4}}, ParametersToRemove=["a"]
    )
    assert client.describe_trial_component(TrialComponentName="c")["Parameters"] == {
        "b": {"NumberValue": 3},
        "c": {"NumberValue": 4},
    }


def test_lineage(client: Any) -> None:
    """M03: artifacts, actions, contexts, associations, and walking them."""
    data = client.create_artifact(ArtifactName="data", ArtifactType="DataSet", Source=SOURCE)["ArtifactArn"]
    model = client.create_artifact(ArtifactName="model", ArtifactType="Model", Source=SOURCE)["ArtifactArn"]
    training = client.create_action(ActionName="train", ActionType="Training", Source=SOURCE)["ActionArn"]
    assert re.fullmatch(r".*:artifact/[0-9a-f]{32}", data)
    client.add_association(SourceArn=data, DestinationArn=training, AssociationType="ContributedTo")
    client.add_association(SourceArn=training, DestinationArn=model, AssociationType="Produced")
    with pytest.raises(ClientError, match="already exists"):
        client.add_association(SourceArn=data, DestinationArn=training)
    with pytest.raises(ClientError) as error:
        client.add_association(SourceArn=data, DestinationArn=data.replace("artifact/", "artifact/9"))
    assert code(error) == "ResourceNotFound"
    listed = client.list_associations(SourceArn=data)["AssociationSummaries"]
    assert [(item["SourceName"], item["DestinationType"]) for item in listed] == [("data", "Training")]
    down = client.query_lineage(StartArns=[data], Direction="Descendants", IncludeEdges=True)
    assert [(vertex["Arn"], vertex["LineageType"]) for vertex in down["Vertices"]] == [
        (training, "Action"),
        (model, "Artifact"),
    ]
    assert [edge["AssociationType"] for edge in down["Edges"]] == ["ContributedTo", "Produced"]
    up = client.query_lineage(StartArns=[model], Direction="Ascendants", Filters={"Types": ["DataSet"]})
    assert [vertex["Arn"] for vertex in up["Vertices"]] == [data]
    assert up["Edges"] == []
    assert client.query_lineage(StartArns=[model], Direction="Ascendants", MaxDepth=1)["Vertices"][0]["Arn"] == training
    client.delete_association(SourceArn=data, DestinationArn=training)
    assert client.query_lineage(StartArns=[data], Direction="Descendants")["Vertices"] == []
    client.delete_artifact(ArtifactArn=model)
    assert client.delete_artifact(Source=SOURCE)["ArtifactArn"] == data


def test_lineage_properties_are_replaced(client: Any) -> None:
    """DOC (UpdateContext): Properties overwrites the list, PropertiesToRemove takes out."""
    client.create_context(ContextName="c", ContextType="t", Source=SOURCE, Properties={"a": "1", "b": "2"})
    client.update_context(ContextName="c", PropertiesToRemove=["a"])
    assert client.describe_context(ContextName="c")["Properties"] == {"b": "2"}
    client.update_context(ContextName="c", Properties={"z": "9"})
    assert client.describe_context(ContextName="c")["Properties"] == {"z": "9"}


def test_devices(client: Any) -> None:
    """L04: registered many at a time, all or none."""
    client.create_device_fleet(DeviceFleetName="f", OutputConfig={"S3OutputLocation": "s3://b/f"}, EnableIotRoleAlias=True)
    assert client.describe_device_fleet(DeviceFleetName="f")["IotRoleAlias"] == "SageMakerEdge-f"
    client.register_devices(DeviceFleetName="f", Devices=[{"DeviceName": "d1", "IotThingName": "t"}, {"DeviceName": "d2"}])
    with pytest.raises(ClientError):
        client.register_devices(DeviceFleetName="f", Devices=[{"DeviceName": "d3"}, {"DeviceName": "d1"}])
    listed = client.list_devices(DeviceFleetName="f")["DeviceSummaries"]
    assert {device["DeviceName"] for device in listed} == {"d1", "d2"}
    client.update_devices(DeviceFleetName="f", Devices=[{"DeviceName": "d1", "Description": "roof"}])
    described = client.describe_device(DeviceFleetName="f", DeviceName="d1")
    assert (described["Description"], described["IotThingName"]) == ("roof", "t")
    assert described["DeviceArn"].endswith("device-fleet/f/device/d1")
    assert client.get_device_fleet_report(DeviceFleetName="f")["DeviceStats"] == {
        "ConnectedDeviceCount": 0,
        "RegisteredDeviceCount": 2,
    }
    with pytest.raises(ClientError) as error:
        client.delete_device_fleet(DeviceFleetName="f")
    assert code(error) == "ResourceInUse"
    client.deregister_devices(DeviceFleetName="f", DeviceNames=["d1", "d2", "nobody"])
    client.delete_device_fleet(DeviceFleetName="f")


def test_workforce_and_teams(client: Any) -> None:
    """D02: the answers are wrapped; a workforce keeps its teams; no client secret comes back."""
    oidc = dict.fromkeys(
        ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint", "LogoutEndpoint", "JwksUri"),
        "https://example.com/x",
    )
    client.create_workforce(WorkforceName="wf", OidcConfig={**oidc, "ClientId": "id", "ClientSecret": "hush"})
    described = client.describe_workforce(WorkforceName="wf")["Workforce"]
    assert described["Status"] == "Active"
    assert "ClientSecret" not in described["OidcConfig"]
    made = client.create_workteam(
        WorkteamName="team",
        WorkforceName="wf",
        Description="d",
        MemberDefinitions=[{"OidcMemberDefinition": {"Groups": ["g"]}}],
    )
    assert made["WorkteamArn"].endswith("workteam/private-crowd/team")
    with pytest.raises(ClientError) as error:
        client.delete_workforce(WorkforceName="wf")
    assert code(error) == "ResourceInUse"
    assert client.update_workteam(WorkteamName="team", Description="e")["Workteam"]["Description"] == "e"
    assert client.delete_workteam(WorkteamName="team")["Success"] is True
    client.delete_workforce(WorkforceName="wf")


def test_nothing_is_bought_in_the_marketplace(client: Any) -> None:
    assert client.list_subscribed_workteams()["SubscribedWorkteams"] == []
    with pytest.raises(ClientError, match="The work team"):
        client.describe_subscribed_workteam(WorkteamArn="arn:aws:sagemaker:us-east-1:123456789012:workteam/vendor-crowd/x")


def test_same_token_same_answer(client: Any) -> None:
    """ClientToken: the same request again is the same request; another one is an error."""
    client.create_model_package_group(ModelPackageGroupName="g")
    first = client.create_model_package(ModelPackageGroupName="g", ClientToken="once")
    second = client.create_model_package(ModelPackageGroupName="g", ClientToken="once")
    assert first["ModelPackageArn"] == second["ModelPackageArn"]
    assert len(client.list_model_packages(ModelPackageGroupName="g")["ModelPackageSummaryList"]) == 1
    with pytest.raises(ClientError, match="client token"):
        client.create_model_package(ModelPackageGroupName="g", ClientToken="once", ModelPackageDescription="other")
    pipeline = {"PipelineName": "p", "PipelineDefinition": '{"Steps": []}', "RoleArn": ROLE}
    token = "t" * 32
    assert (
        client.create_pipeline(**pipeline, ClientRequestToken=token)["PipelineArn"]
        == client.create_pipeline(**pipeline, ClientRequestToken=token)["PipelineArn"]
    )
    with pytest.raises(ClientError, match="already exists"):
        client.create_pipeline(**pipeline, ClientRequestToken="u" * 32)


def test_work_with_a_controller() -> None:
    """What the engine does for a feature: the row is due at once, rules run first, tags are kept, running work is not deleted."""
    clock = VirtualClock()
    seen: list[str] = []

    def rule(context: Any, request: dict[str, Any]) -> dict[str, Any]:
        seen.append(request["EndpointName"])
        return {**request, "DeploymentConfig": {}}

    with Harness(clock, controllers={"Endpoint"}, rules={"CreateEndpoint": (rule,)}) as harness:
        client = harness.client("sagemaker")
        with pytest.raises(ClientError, match="Could not find endpoint configuration"):
            client.create_endpoint(EndpointName="e", EndpointConfigName="c")
        client.create_model(ModelName="m", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
        client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[{"VariantName": "v", "ModelName": "m"}])
        arn = client.create_endpoint(EndpointName="e", EndpointConfigName="c", Tags=[{"Key": "a", "Value": "b"}])["EndpointArn"]
        assert client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "Creating"
        assert client.list_endpoints(StatusEquals="Creating")["Endpoints"][0]["EndpointArn"] == arn
        assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
        row = harness.run(
            harness.parts.store.read(lambda transaction: transaction.resources.due(["Endpoint"], clock.now(), 10))
        )[0]
        assert (row.key, row.due) == ("e", clock.now())
        assert seen == ["e", "e"]
        with pytest.raises(ClientError, match="in use by"):
            client.delete_endpoint_config(EndpointConfigName="c")
        with pytest.raises(ClientError, match="while it is Creating"):
            client.delete_endpoint(EndpointName="e")
