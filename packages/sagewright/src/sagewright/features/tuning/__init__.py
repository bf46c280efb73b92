"""Automatic model tuning: many training jobs, made through the public API, that look for the best hyperparameters (DG automatic-model-tuning)."""
