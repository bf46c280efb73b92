"""LightGBM in JumpStart form: lightgbm-classification-model and lightgbm-regression-model (DG:lightgbm)."""
