"""SageMaker SDK v3 (resources): an endpoint that is updated by canary under calls, and a shadow test on it."""

import io
import tarfile
import time

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, InferenceExperiment, Model
from sagemaker.core.shapes import (
    BlueGreenUpdatePolicy,
    CapacitySize,
    ContainerDefinition,
    DeploymentConfig,
    MetricsConfig,
    ModelInfrastructureConfig,
    ModelVariantConfig,
    ProductionVariant,
    RealTimeInferenceConfig,
    ShadowModeConfig,
    ShadowModelVariantConfig,
    TrafficRoutingConfig,
)

session = Session()
role = get_execution_role(session)
bucket = session.default_bucket()
image = image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.large")
tag = f"{int(time.time())}"
name = f"rolled-{tag}"


def model(answer):
    script = (
        f"def model_fn(folder): return '{answer}'\ndef transform_fn(model, *request): return model, 'text/plain'\n".encode()
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script))
    key = f"sdk3-rollouts/{answer}-{tag}.tar.gz"
    session.boto_session.client("s3").put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    container = ContainerDefinition(
        image=image, model_data_url=f"s3://{bucket}/{key}", environment={"SAGEMAKER_PROGRAM": "inference.py"}
    )
    return Model.create(model_name=f"{answer}-{tag}", primary_container=container, execution_role_arn=role)


def config(answer):
    variant = ProductionVariant(
        variant_name="AllTraffic", model_name=f"{answer}-{tag}", initial_instance_count=1, instance_type="ml.m5.large"
    )
    metrics = MetricsConfig(enable_enhanced_metrics=answer == "new", metric_publish_frequency_in_seconds=10)
    return EndpointConfig.create(endpoint_config_name=f"{answer}-{tag}", production_variants=[variant], metrics_config=metrics)


def said(endpoint):
    return endpoint.invoke(body=b"1", content_type="text/csv").body.read().decode()


for answer in ("old", "new"):
    model(answer)
    config(answer)
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=f"old-{tag}")
endpoint.wait_for_status("InService", poll=1)
assert said(endpoint) == "old"

# A quarter of the calls for two seconds, then all of them.
routing = TrafficRoutingConfig(
    type="CANARY", wait_interval_in_seconds=2, canary_size=CapacitySize(type="CAPACITY_PERCENT", value=25)
)
policy = BlueGreenUpdatePolicy(traffic_routing_configuration=routing, termination_wait_in_seconds=1)
endpoint.endpoint_config_name = f"new-{tag}"
endpoint.update(deployment_config=DeploymentConfig(blue_green_update_policy=policy))
answers = []
while endpoint.refresh().endpoint_status == "Updating":
    answers.append(said(endpoint))
assert {"old", "new"} == set(answers), set(answers)
assert (endpoint.endpoint_config_name, said(endpoint)) == (f"new-{tag}", "new")
assert endpoint.last_deployment_config.blue_green_update_policy.traffic_routing_configuration.type == "CANARY"

# The new configuration has enhanced metrics: they are there for each instance as soon as it is in force.
assert endpoint.metrics_config.enable_enhanced_metrics
assert EndpointConfig.get(f"old-{tag}").metrics_config.metric_publish_frequency_in_seconds == 10
wanted = [{"Name": "EndpointName", "Value": name}, {"Name": "InstanceId"}]
cloudwatch = session.boto_session.client("cloudwatch")
while not cloudwatch.list_metrics(Namespace="AWS/SageMaker", MetricName="Invocations", Dimensions=wanted)["Metrics"]:
    said(endpoint)


# A shadow test: nobody sees the shadow's answers.
def described(variant, answer):
    real_time = RealTimeInferenceConfig(instance_type="ml.m5.large", instance_count=1)
    infrastructure = ModelInfrastructureConfig(infrastructure_type="RealTimeInference", real_time_inference_config=real_time)
    return ModelVariantConfig(variant_name=variant, model_name=f"{answer}-{tag}", infrastructure_config=infrastructure)


shadow = ShadowModelVariantConfig(shadow_model_variant_name="Candidate", sampling_percentage=100)
experiment = InferenceExperiment.create(
    name=f"test-{tag}",
    type="ShadowMode",
    role_arn=role,
    endpoint_name=name,
    model_variants=[described("AllTraffic", "new"), described("Candidate", "old")],
    shadow_mode_config=ShadowModeConfig(source_model_variant_name="AllTraffic", shadow_model_variants=[shadow]),
)
experiment.wait_for_status("Running", poll=1)
assert [said(endpoint) for _ in range(5)] == ["new"] * 5
# The SDK's own stop() does not say what becomes of the variants, which the API requires.
session.sagemaker_client.stop_inference_experiment(
    Name=f"test-{tag}", ModelVariantActions={"AllTraffic": "Retain", "Candidate": "Remove"}
)
experiment.wait_for_status("Completed", poll=1)
assert endpoint.refresh().endpoint_config_name == f"new-{tag}"
assert [found.name for found in InferenceExperiment.get_all(status_equals="Completed")] == [f"test-{tag}"]
experiment.delete()
endpoint.delete()
print("sdk3 rollouts: done")
