"""XGBoost as a SageMaker built-in algorithm: manifest, training and serving on the native library (see README.md)."""
