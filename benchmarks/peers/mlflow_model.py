"""Writes the model as MLflow keeps one: ``python mlflow_model.py FOLDER``."""

import os
import sys

import mlflow.xgboost
import xgboost

mlflow.xgboost.save_model(xgboost.Booster(model_file=os.environ["MODEL"]), sys.argv[1])
