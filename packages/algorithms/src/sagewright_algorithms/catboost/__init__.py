"""CatBoost in JumpStart form: catboost-classification-model and catboost-regression-model (DG:catboost)."""
