"""The training environment as an object."""

from sagewright_container.compatible.sagemaker_training.environment import Environment as TrainingEnv

__all__ = ["TrainingEnv"]
