"""Jobs, clusters and other work: what the model does not say about their errors and ARNs.

Sources: ACK = aws-controllers-k8s/sagemaker-controller generator.yaml; OP = amazon-sagemaker-operator-for-k8s; SDK = sagemaker-python-sdk;
DOC = the operation's page in the SageMaker API reference; MODEL = botocore's sagemaker 2017-07-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.kernel.ids import lower_id, upper_id
from sagewright.kernel.kind import Parent, Reference
from sagewright.kernel.quirks.wording import absent, in_use, invalid

JOB_EXISTS = in_use("Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})")

JOBS: Mapping[str, Mapping[str, Any]] = {
    # ACK, OP, SDK: ValidationException "Requested resource not found." although the model declares ResourceNotFound.
    # ListTrainingJobs filters on members inside other members (MODEL).
    "TrainingJob": {
        "missing": invalid("Requested resource not found."),
        "exists": JOB_EXISTS,
        "aliases": {"WarmPoolStatusEquals": "WarmPoolStatus.Status", "TrainingPlanArn": "ResourceConfig.TrainingPlanArn"},
    },
    # ACK: starts with "Could not find requested job".
    "ProcessingJob": {"missing": invalid("Could not find requested job with name: {name}"), "exists": JOB_EXISTS},
    # ACK: starts with "Could not find requested job with name".
    "TransformJob": {"missing": invalid("Could not find requested job with name: {name}"), "exists": JOB_EXISTS},
    # ACK (newer) wants ResourceNotFound, OP (2019) the text.
    "HyperParameterTuningJob": {
        "missing": absent("Requested resource not found."),
        "exists": JOB_EXISTS,
        "aliases": {
            "Strategy": "HyperParameterTuningJobConfig.Strategy",
            "ResourceLimits": "HyperParameterTuningJobConfig.ResourceLimits",
        },
    },
    # MODEL: the summary names what lies inside OutputConfig.
    "CompilationJob": {
        "exists": JOB_EXISTS,
        "aliases": {
            "CompilationTargetDevice": "OutputConfig.TargetDevice",
            "CompilationTargetPlatformOs": "OutputConfig.TargetPlatform.Os",
            "CompilationTargetPlatformArch": "OutputConfig.TargetPlatform.Arch",
            "CompilationTargetPlatformAccelerator": "OutputConfig.TargetPlatform.Accelerator",
        },
    },
    # MODEL: the summary's techniques are a filter; the source may be a model of the account.
    "OptimizationJob": {
        "exists": JOB_EXISTS,
        "aliases": {"OptimizationContains": "OptimizationTypes"},
        "references": (Reference("ModelSource.SageMakerModel.ModelName", "Model"),),
    },
    "AutoMLJob": {"exists": JOB_EXISTS},
    # MODEL: AutoMLJobV2 has its own Create and Describe; it is listed and stopped as an AutoMLJob.
    "AutoMLJobV2": {"exists": JOB_EXISTS},
    # MODEL: the summary names members inside HumanTaskConfig.
    "LabelingJob": {
        "exists": JOB_EXISTS,
        "aliases": {
            "WorkteamArn": "HumanTaskConfig.WorkteamArn",
            "PreHumanTaskLambdaArn": "HumanTaskConfig.PreHumanTaskLambdaArn",
            "AnnotationConsolidationLambdaArn": "HumanTaskConfig.AnnotationConsolidationConfig.AnnotationConsolidationLambdaArn",
        },
    },
    # MODEL: ARN job/<category>/<name>; names are unique within a category.
    "Job": {"identity": ("JobCategory", "JobName"), "arn_keeps_case": True},
    # The model a packaging job names is only a label for the package, not a SageMaker model (DOC: CreateEdgePackagingJob).
    "EdgePackagingJob": {
        "references": (Reference("CompilationJobName", "CompilationJob"),),
        "aliases": {"MODEL_NAME": "ModelName"},
    },
    # MODEL: SortBy in capitals.
    "EdgeDeploymentPlan": {"aliases": {"DEVICE_FLEET_NAME": "DeviceFleetName"}},
    # MODEL: ARN model-card/<card>/export-job/<name>.
    "ModelCardExportJob": {
        "identity": ("ModelCardName", "ModelCardExportJobName"),
        "infix": "export-job",
        "parent": Parent("ModelCard", "ModelCardName", orphans="cascade"),
    },
    # MODEL: ARN cluster/<12 letters and digits>; the name is not in it.
    "Cluster": {"new_id": lambda: lower_id(12)},
    "ClusterSchedulerConfig": {"new_id": lambda: lower_id(12)},
    "ComputeQuota": {"new_id": lambda: lower_id(12)},
    # MODEL: partner-app/app-<12 capitals and digits>.
    "PartnerApp": {"new_id": lambda: f"app-{upper_id(12)}", "arn_keeps_case": True},
    "MlflowApp": {
        "new_id": lambda: f"app-{upper_id(12)}",
        "arn_keeps_case": True,
        "aliases": {"DefaultForDomainId": "DefaultDomainIdList"},
    },
    # MODEL: a monitoring schedule names its definition and kind inside its configuration.
    "MonitoringSchedule": {
        "aliases": {
            "MonitoringJobDefinitionName": "MonitoringScheduleConfig.MonitoringJobDefinitionName",
            "MonitoringType": "MonitoringScheduleConfig.MonitoringType",
        },
    },
    # MODEL: the offline store's status lies inside OfflineStoreStatus.
    "FeatureGroup": {"aliases": {"OfflineStoreStatusEquals": "OfflineStoreStatus.Status"}},
    # MODEL: the whole answer is wrapped in one member.
    "TrainingSession": {"envelope": "TrainingSessionDetail", "status": "TrainingSessionStatus", "initial": "Created"},
    # TF: "RecordNotFound" in the message.
    "NotebookInstance": {
        "missing": invalid("RecordNotFound"),
        "exists": invalid('Cannot create already existing notebook instance "{arn}".'),
        "aliases": {
            "NotebookInstanceLifecycleConfigName": "LifecycleConfigName",
            "SecurityGroups": "SecurityGroupIds",
            "AdditionalCodeRepository": "AdditionalCodeRepositories",
        },
    },
    # TF: contains "does not exist".
    "Project": {"missing": invalid("Project {name} does not exist."), "new_id": lambda: f"p-{lower_id(12)}"},
}
