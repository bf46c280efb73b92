"""Modules of AWS's XGBoost image that users' scripts import by name; this folder is put last on their path."""
