"""SDK v2's RLEstimator trains a policy in one of SageMaker's RL images and reads its mean reward."""

import os
import sys
from pathlib import Path

import sagemaker
from sagemaker.rl import RLEstimator, RLToolkit

IMAGE = "462105765813.dkr.ecr.us-east-1.amazonaws.com/sagemaker-rl-ray-container:ray-1.6.0-torch-cpu-py36"


def main() -> None:
    """Trains and prints the mean reward."""
    session = sagemaker.Session()
    estimator = RLEstimator(
        entry_point="train.py",
        source_dir=str(Path(__file__).parent),
        image_uri=IMAGE,
        role=f"arn:aws:iam::{session.account_id()}:role/SageMaker",
        instance_type="ml.m5.large",
        instance_count=1,
        hyperparameters={"steps": int(os.environ.get("STEPS", "60000")), "seed": 0},
        metric_definitions=RLEstimator.default_metric_definitions(RLToolkit.RAY),
        sagemaker_session=session,
    )
    estimator.fit(logs="None")
    metrics = {
        metric["MetricName"]: metric["Value"] for metric in estimator.latest_training_job.describe()["FinalMetricDataList"]
    }
    print(f"mean reward of an episode: {metrics['episode_reward_mean']}")


if __name__ == "__main__":
    sys.exit(main())
