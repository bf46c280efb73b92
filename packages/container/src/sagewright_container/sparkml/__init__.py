"""Pipelines of Spark ML in MLeap's bundles, as SageMaker's SparkML serving image offers them: read and evaluated on NumPy."""
