"""Stands for AWS's sagemaker-xgboost-container in script mode: readers of data and payloads, as DMatrix of the xgboost package."""
