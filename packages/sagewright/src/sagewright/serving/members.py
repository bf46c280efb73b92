"""What becomes of every member of the requests of the inference plane, by the shape of the service model that has it.

A member is ``effective``; or ``refused``, because what it asks for is not there; or ``kept``: it is echoed and has no effect, because
there is nothing here that it could act on, and docs/limits.md names it. What lies below a refused or kept member is not listed.
tests/unit/test_inference_members.py holds it against the model, so that a new member is not ignored unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sagewright.kernel.operation import Context
from sagewright.serving.definition import unsupported
from sagewright.store.rows import Document


class Members(NamedTuple):
    """Names, apart by blanks."""

    effective: str
    refused: str = ""
    kept: str = ""


MEMBERS: Mapping[str, Members] = {
    # Models
    "CreateModelInput": Members(
        "ModelName PrimaryContainer Containers InferenceExecutionConfig ExecutionRoleArn Tags EnableNetworkIsolation",
        kept="VpcConfig",
    ),
    "ContainerDefinition": Members(
        "ContainerHostname Image Mode ModelDataUrl ModelDataSource AdditionalModelDataSources Environment ModelPackageName "
        "MultiModelConfig",
        refused="InferenceSpecificationName ContainerMetricsConfig",
        kept="ImageConfig",
    ),
    "ModelDataSource": Members("S3DataSource"),
    "S3ModelDataSource": Members(
        "S3Uri S3DataType CompressionType",
        refused="ManifestS3Uri ETag ManifestEtag",
        kept="ModelAccessConfig HubAccessConfig",
    ),
    "AdditionalModelDataSource": Members("ChannelName S3DataSource"),
    "MultiModelConfig": Members("ModelCacheSetting"),
    "InferenceExecutionConfig": Members("Mode"),
    "Tag": Members("Key Value"),
    # Endpoint configurations
    "CreateEndpointConfigInput": Members(
        "EndpointConfigName ProductionVariants DataCaptureConfig Tags AsyncInferenceConfig ShadowProductionVariants "
        "ExecutionRoleArn EnableNetworkIsolation MetricsConfig",
        refused="ExplainerConfig CrossRegionTrafficConfig",
        kept="KmsKeyId VpcConfig",
    ),
    "ProductionVariant": Members(
        "VariantName ModelName InitialInstanceCount InstanceType InitialVariantWeight ServerlessConfig VolumeSizeInGB "
        "ModelDataDownloadTimeoutInSeconds ContainerStartupHealthCheckTimeoutInSeconds ManagedInstanceScaling RoutingConfig",
        refused="InstancePools AcceleratorType CoreDumpConfig EnableSSMAccess CapacityReservationConfig AcceleratorPartitionLayouts",
        kept="VariantInstanceProvisionTimeoutInSeconds InferenceAmiVersion",
    ),
    "ProductionVariantServerlessConfig": Members("MemorySizeInMB MaxConcurrency ProvisionedConcurrency"),
    "ProductionVariantManagedInstanceScaling": Members("Status MinInstanceCount MaxInstanceCount", refused="ScaleInPolicy"),
    "ProductionVariantRoutingConfig": Members("RoutingStrategy", refused="PrefixAwareRoutingConfig"),
    "DataCaptureConfig": Members(
        "EnableCapture InitialSamplingPercentage DestinationS3Uri CaptureOptions CaptureContentTypeHeader", kept="KmsKeyId"
    ),
    "CaptureOption": Members("CaptureMode"),
    "CaptureContentTypeHeader": Members("CsvContentTypes JsonContentTypes"),
    "AsyncInferenceConfig": Members("ClientConfig OutputConfig"),
    "AsyncInferenceClientConfig": Members("MaxConcurrentInvocationsPerInstance"),
    "AsyncInferenceOutputConfig": Members("S3OutputPath NotificationConfig S3FailurePath", kept="KmsKeyId"),
    "AsyncInferenceNotificationConfig": Members("SuccessTopic ErrorTopic IncludeInferenceResponseIn"),
    "MetricsConfig": Members("EnableEnhancedMetrics MetricPublishFrequencyInSeconds", refused="EnableDetailedObservability"),
    # Endpoints
    "CreateEndpointInput": Members("EndpointName EndpointConfigName DeploymentConfig Tags"),
    "UpdateEndpointInput": Members(
        "EndpointName EndpointConfigName RetainAllVariantProperties ExcludeRetainedVariantProperties DeploymentConfig "
        "RetainDeploymentConfig"
    ),
    "VariantProperty": Members("VariantPropertyType"),
    "DeploymentConfig": Members("BlueGreenUpdatePolicy RollingUpdatePolicy AutoRollbackConfiguration"),
    "BlueGreenUpdatePolicy": Members("TrafficRoutingConfiguration TerminationWaitInSeconds MaximumExecutionTimeoutInSeconds"),
    "TrafficRoutingConfig": Members("Type WaitIntervalInSeconds CanarySize LinearStepSize"),
    "CapacitySize": Members("Type Value"),
    "RollingUpdatePolicy": Members(
        "MaximumBatchSize WaitIntervalInSeconds MaximumExecutionTimeoutInSeconds RollbackMaximumBatchSize"
    ),
    "AutoRollbackConfig": Members("Alarms"),
    "Alarm": Members("AlarmName"),
    "UpdateEndpointWeightsAndCapacitiesInput": Members("EndpointName DesiredWeightsAndCapacities"),
    "DesiredWeightAndCapacity": Members("VariantName DesiredWeight DesiredInstanceCount ServerlessUpdateConfig"),
    "ProductionVariantServerlessUpdateConfig": Members("MaxConcurrency ProvisionedConcurrency"),
    # Inference components
    "CreateInferenceComponentInput": Members(
        "InferenceComponentName EndpointName VariantName Specification Specifications RuntimeConfig Tags"
    ),
    "InferenceComponentSpecification": Members(
        "InstanceType ModelName Container StartupParameters ComputeResourceRequirements BaseInferenceComponentName "
        "SchedulingConfig DataCacheConfig",
    ),
    "InferenceComponentDataCacheConfig": Members("EnableCaching"),
    "InferenceComponentContainerSpecification": Members("Image ArtifactUrl Environment", refused="ContainerMetricsConfig"),
    "InferenceComponentStartupParameters": Members(
        "ModelDataDownloadTimeoutInSeconds ContainerStartupHealthCheckTimeoutInSeconds"
    ),
    "InferenceComponentComputeResourceRequirements": Members(
        "NumberOfCpuCoresRequired NumberOfAcceleratorDevicesRequired MinMemoryRequiredInMb MaxMemoryRequiredInMb",
        refused="AcceleratorPartitionType",
    ),
    "InferenceComponentSchedulingConfig": Members("PlacementStrategy", kept="AvailabilityZoneBalance"),
    "InferenceComponentRuntimeConfig": Members("CopyCount"),
    # Batch transform
    "CreateTransformJobRequest": Members(
        "TransformJobName ModelName MaxConcurrentTransforms ModelClientConfig MaxPayloadInMB BatchStrategy Environment "
        "TransformInput TransformOutput DataCaptureConfig TransformResources DataProcessing Tags",
        kept="ExperimentConfig",
    ),
    "ModelClientConfig": Members("InvocationsTimeoutInSeconds InvocationsMaxRetries"),
    "TransformInput": Members("DataSource ContentType CompressionType SplitType"),
    "TransformDataSource": Members("S3DataSource"),
    "TransformS3DataSource": Members("S3DataType S3Uri"),
    "TransformOutput": Members("S3OutputPath Accept AssembleWith", kept="KmsKeyId"),
    "BatchDataCaptureConfig": Members("DestinationS3Uri GenerateInferenceId", kept="KmsKeyId"),
    "TransformResources": Members("InstanceType InstanceCount", kept="VolumeKmsKeyId TransformAmiVersion"),
    "DataProcessing": Members("InputFilter OutputFilter JoinSource"),
    # Inference experiments
    "CreateInferenceExperimentRequest": Members(
        "Name Type Schedule Description RoleArn EndpointName ModelVariants DataStorageConfig ShadowModeConfig Tags",
        kept="KmsKey",
    ),
    "InferenceExperimentSchedule": Members("StartTime EndTime"),
    "ModelVariantConfig": Members("ModelName VariantName InfrastructureConfig"),
    "ModelInfrastructureConfig": Members("InfrastructureType RealTimeInferenceConfig"),
    "RealTimeInferenceConfig": Members("InstanceType InstanceCount"),
    "InferenceExperimentDataStorageConfig": Members("Destination ContentType", kept="KmsKey"),
    "ShadowModeConfig": Members("SourceModelVariantName ShadowModelVariants"),
    "ShadowModelVariantConfig": Members("ShadowModelVariantName SamplingPercentage"),
    # Inference Recommender
    "CreateInferenceRecommendationsJobRequest": Members(
        "JobName JobType RoleArn InputConfig JobDescription StoppingConditions OutputConfig Tags"
    ),
    "RecommendationJobInputConfig": Members(
        "ModelPackageVersionArn ModelName JobDurationInSeconds TrafficPattern ResourceLimit EndpointConfigurations ContainerConfig "
        "Endpoints",
        kept="VolumeKmsKeyId VpcConfig",
    ),
    "TrafficPattern": Members("TrafficType Phases Stairs"),
    "Phase": Members("InitialNumberOfUsers SpawnRate DurationInSeconds"),
    "Stairs": Members("DurationInSeconds NumberOfSteps UsersPerStep"),
    "RecommendationJobResourceLimit": Members("MaxNumberOfTests MaxParallelOfTests"),
    "EndpointInputConfiguration": Members(
        "InstanceType ServerlessConfig EnvironmentParameterRanges", refused="InferenceSpecificationName"
    ),
    "EnvironmentParameterRanges": Members("CategoricalParameterRanges"),
    "CategoricalParameter": Members("Name Value"),
    "RecommendationJobContainerConfig": Members(
        "PayloadConfig SupportedInstanceTypes SupportedEndpointType",
        kept="Domain Task Framework FrameworkVersion NearestModelName DataInputConfig SupportedResponseMIMETypes",
    ),
    "RecommendationJobPayloadConfig": Members("SamplePayloadUrl SupportedContentTypes"),
    "EndpointInfo": Members("EndpointName"),
    "RecommendationJobStoppingConditions": Members("MaxInvocations ModelLatencyThresholds FlatInvocations"),
    "ModelLatencyThreshold": Members("Percentile ValueInMilliseconds"),
    "RecommendationJobOutputConfig": Members("", refused="CompiledOutputConfig", kept="KmsKeyId"),
    # Compilation and optimization
    "CreateCompilationJobRequest": Members(
        "CompilationJobName RoleArn InputConfig OutputConfig StoppingCondition Tags",
        refused="ModelPackageVersionArn",
        kept="VpcConfig",
    ),
    "InputConfig": Members("S3Uri DataInputConfig Framework", kept="FrameworkVersion"),
    "OutputConfig": Members("S3OutputLocation TargetDevice TargetPlatform", refused="CompilerOptions", kept="KmsKeyId"),
    "TargetPlatform": Members("Os Arch Accelerator"),
    "StoppingCondition": Members("MaxRuntimeInSeconds", kept="MaxWaitTimeInSeconds MaxPendingTimeInSeconds"),
    "CreateOptimizationJobRequest": Members(
        "OptimizationJobName RoleArn ModelSource DeploymentInstanceType OptimizationEnvironment OptimizationConfigs OutputConfig "
        "StoppingCondition Tags",
        refused="TrainingPlanArns",
        kept="MaxInstanceCount VpcConfig",
    ),
    "OptimizationJobModelSource": Members("S3 SageMakerModel"),
    "OptimizationJobModelSourceS3": Members("S3Uri", kept="ModelAccessConfig"),
    "OptimizationSageMakerModel": Members("ModelName"),
    "OptimizationConfig": Members(
        "ModelQuantizationConfig ModelShardingConfig", refused="ModelCompilationConfig ModelSpeculativeDecodingConfig"
    ),
    "ModelQuantizationConfig": Members("Image OverrideEnvironment"),
    "ModelShardingConfig": Members("Image OverrideEnvironment"),
    "OptimizationJobOutputConfig": Members("S3OutputLocation", refused="SageMakerModel", kept="KmsKeyId"),
    # Edge
    "CreateEdgePackagingJobRequest": Members(
        "EdgePackagingJobName CompilationJobName ModelName ModelVersion OutputConfig Tags", kept="RoleArn ResourceKey"
    ),
    "EdgeOutputConfig": Members("S3OutputLocation", refused="PresetDeploymentType PresetDeploymentConfig", kept="KmsKeyId"),
    "CreateDeviceFleetRequest": Members("DeviceFleetName Description OutputConfig Tags", kept="RoleArn EnableIotRoleAlias"),
    # Invocations
    "InvokeEndpointInput": Members(
        "EndpointName Body ContentType Accept CustomAttributes TargetModel TargetVariant TargetContainerHostname InferenceId "
        "InferenceComponentName SessionId",
        refused="EnableExplanations",
        kept="PrefixAwareId",
    ),
    "InvokeEndpointAsyncInput": Members(
        "EndpointName ContentType Accept CustomAttributes InferenceId InputLocation S3OutputPathExtension Filename "
        "RequestTTLSeconds InvocationTimeoutSeconds Body"
    ),
    "InvokeEndpointWithResponseStreamInput": Members(
        "EndpointName Body ContentType Accept CustomAttributes TargetVariant TargetContainerHostname InferenceId "
        "InferenceComponentName SessionId",
        kept="PrefixAwareId",
    ),
}


def refuse(shape: str, given: Mapping[str, Any], where: str = "") -> None:
    """Refuses what the table says is refused; ``where`` names ``given`` in the request. Raises Fault."""
    for member in MEMBERS[shape].refused.split():
        if given.get(member):
            raise unsupported(f"{where}.{member}" if where else member)


def check_model(_: Context, request: Document) -> None:
    """Of CreateModel. Raises Fault."""
    for member in ("PrimaryContainer", "Containers"):
        listed = request.get(member, ())
        for container in (listed,) if isinstance(listed, dict) else listed:
            refuse("ContainerDefinition", container, member)
            for source in (container.get("ModelDataSource", {}), *container.get("AdditionalModelDataSources", ())):
                refuse("S3ModelDataSource", source.get("S3DataSource", {}), f"{member}.S3DataSource")
