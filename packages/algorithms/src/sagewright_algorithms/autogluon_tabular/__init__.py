"""AutoGluon-Tabular in JumpStart form: autogluon-classification-ensemble and autogluon-regression-ensemble (DG:autogluon-tabular)."""
