"""Stands for AWS's sagemaker-inference toolkit."""
