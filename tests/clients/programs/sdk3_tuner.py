"""SageMaker SDK v3: HyperparameterTuner on a ModelTrainer with the built-in XGBoost."""

import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig
from sagemaker.train.tuner import HyperparameterTuner
from sklearn.datasets import load_breast_cancer

session = Session()
bucket = session.default_bucket()
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features])[:400], delimiter=",", fmt="%.8g")
np.savetxt("validation.csv", np.column_stack([labels, features])[400:500], delimiter=",", fmt="%.8g")
inputs = [
    InputData(channel_name=name, data_source=session.upload_data(f"{name}.csv", bucket, f"tuner3/{name}"), content_type="csv")
    for name in ("train", "validation")
]
trainer = ModelTrainer(
    training_image=image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
    role=get_execution_role(session),
    sagemaker_session=session,
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/tuner3/output"),
    hyperparameters={"objective": "binary:logistic", "num_round": "20"},
)
tuner = HyperparameterTuner(
    trainer,
    "validation:auc",
    {"eta": ContinuousParameter(0.05, 0.5), "max_depth": IntegerParameter(2, 8)},
    max_jobs=4,
    max_parallel_jobs=2,
    strategy="Bayesian",
    base_tuning_job_name="sdk3-tuner",
)
tuner.tune(inputs)
job = tuner.describe()
assert job.hyper_parameter_tuning_job_status == "Completed", job
assert job.training_job_status_counters.completed == 4, job
best = tuner.best_training_job()
assert best.startswith(tuner.latest_tuning_job.hyper_parameter_tuning_job_name), best
summaries = list(job.get_all_training_jobs(sort_by="FinalObjectiveMetricValue", sort_order="Descending"))
values = [item.final_hyper_parameter_tuning_job_objective_metric.value for item in summaries]
assert values == sorted(values, reverse=True), values
assert (
    next(item for item in summaries if item.training_job_name == best).final_hyper_parameter_tuning_job_objective_metric.value
    == values[0]
)
print("sdk3 tuner: done")
