"""Stands for AWS's sagemaker-containers, the toolkit of older scikit-learn and XGBoost images."""
