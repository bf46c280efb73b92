"""SDK v2: the estimator classes of the first-party algorithms, with record_set, fit, deploy and predict."""

import numpy as np
import sagemaker
from sagemaker import KNN, PCA, FactorizationMachines, KMeans, LinearLearner, RandomCutForest
from sklearn.datasets import load_breast_cancer

ROLE = "arn:aws:iam::123456789012:role/SdkRole"
session = sagemaker.Session()
features, labels = load_breast_cancer(return_X_y=True)
features = ((features - features.mean(axis=0)) / features.std(axis=0)).astype("float32")
labels = labels.astype("float32")
instance = {"role": ROLE, "instance_count": 1, "instance_type": "ml.m5.large", "sagemaker_session": session}


def answers(estimator, given_labels, mini_batch_size):
    """Trains on all rows; the labels of the first ten records."""
    records = estimator.record_set(features, labels=given_labels)
    estimator.fit(records, mini_batch_size=mini_batch_size, logs=False)
    predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    found = predictor.predict(features[:10])
    predictor.delete_model()
    predictor.delete_endpoint()
    assert len(found) == 10, found
    return [record.label for record in found]


def values(found, name):
    return [record[name].float32_tensor.values[0] for record in found]


clusters = answers(KMeans(k=2, **instance), None, 100)
assert set(values(clusters, "closest_cluster")) <= {0.0, 1.0}
assert min(values(clusters, "distance_to_cluster")) > 0

(first, *_) = answers(PCA(num_components=3, **instance), None, 100)
assert len(first["projection"].float32_tensor.values) == 3

scores = values(answers(RandomCutForest(num_trees=50, num_samples_per_tree=64, **instance), None, 1000), "score")
assert 0 < min(scores) < max(scores) < 6

found = values(answers(KNN(k=5, sample_size=500, predictor_type="classifier", **instance), labels, 100), "predicted_label")
assert np.mean(np.array(found) == labels[:10]) >= 0.9

linear = LinearLearner(predictor_type="binary_classifier", epochs=10, **instance)
found = answers(linear, labels, 50)
assert np.mean(np.array(values(found, "predicted_label")) == labels[:10]) >= 0.9
assert 0 <= min(values(found, "score")) <= max(values(found, "score")) <= 1

machine = FactorizationMachines(
    num_factors=4, predictor_type="binary_classifier", epochs=20, linear_lr=0.05, factors_lr=0.01, **instance
)
records = machine.record_set(features, labels=labels)
machine.fit(records, mini_batch_size=50, logs=False)
assert machine.latest_training_job.describe()["TrainingJobStatus"] == "Completed"
print("sdk2 first-party estimators: done")
