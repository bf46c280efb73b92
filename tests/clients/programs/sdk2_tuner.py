"""SageMaker SDK v2: HyperparameterTuner on the built-in XGBoost; analytics, attach, warm start, the best model deployed."""

import numpy as np
import sagemaker
from sagemaker import image_uris
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter, WarmStartConfig, WarmStartTypes
from sklearn.datasets import load_breast_cancer

session = sagemaker.Session()
bucket = session.default_bucket()
features, labels = load_breast_cancer(return_X_y=True)
np.savetxt("train.csv", np.column_stack([labels, features])[:400], delimiter=",", fmt="%.8g")
np.savetxt("validation.csv", np.column_stack([labels, features])[400:500], delimiter=",", fmt="%.8g")
inputs = {
    name: TrainingInput(session.upload_data(f"{name}.csv", bucket, f"tuner/{name}"), content_type="csv")
    for name in ("train", "validation")
}
estimator = Estimator(
    image_uri=image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1"),
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"s3://{bucket}/tuner/output",
    hyperparameters={"objective": "binary:logistic", "num_round": 20},
)
ranges = {
    "eta": ContinuousParameter(0.05, 0.5, scaling_type="Logarithmic"),
    "subsample": ContinuousParameter(0.5, 1.0),
    "max_depth": IntegerParameter(2, 8),
}
tuner = HyperparameterTuner(
    estimator,
    "validation:auc",
    ranges,
    max_jobs=6,
    max_parallel_jobs=2,
    strategy="Random",
    random_seed=5,
    early_stopping_type="Auto",
)
tuner.fit(inputs, include_cls_metadata=False)
described = tuner.describe()
assert described["HyperParameterTuningJobStatus"] == "Completed", described
assert described["ObjectiveStatusCounters"]["Succeeded"] == 6, described

frame = tuner.analytics().dataframe()
assert len(frame) == 6, frame
assert set(ranges) <= set(frame.columns), frame
best = frame.sort_values("FinalObjectiveValue").iloc[-1]
assert best["FinalObjectiveValue"] > 0.95, frame
best_value = described["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
assert best_value == best["FinalObjectiveValue"], (best_value, best)
assert tuner.analytics().tuning_ranges["max_depth"]["MaxValue"] == "8"

attached = HyperparameterTuner.attach(tuner.latest_tuning_job.name)
assert attached.best_training_job() == tuner.best_training_job() == described["BestTrainingJob"]["TrainingJobName"]
assert set(attached.hyperparameter_ranges()) == set(tuner.hyperparameter_ranges())

predictor = attached.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer())
answers = np.array(predictor.predict(features[500:]), dtype=float).ravel()
assert np.mean((answers > 0.5) == labels[500:]) > 0.9
predictor.delete_model()
predictor.delete_endpoint()

warm = HyperparameterTuner(
    estimator,
    "validation:auc",
    ranges,
    max_jobs=2,
    strategy="Bayesian",
    warm_start_config=WarmStartConfig(WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM, {tuner.latest_tuning_job.name}),
)
warm.fit(inputs, include_cls_metadata=False)
overall = warm.describe()["OverallBestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
assert overall >= best_value, (overall, best_value)
try:
    warm.stop_tuning_job()  # it has ended: the SDK takes the refusal as said
finally:
    print("sdk2 tuner: done")
