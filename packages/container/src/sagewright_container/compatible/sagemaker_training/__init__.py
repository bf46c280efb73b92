"""Stands for AWS's sagemaker-training toolkit."""
