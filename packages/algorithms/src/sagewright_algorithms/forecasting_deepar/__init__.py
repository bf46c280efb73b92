"""DeepAR as a SageMaker built-in algorithm: manifest, training and serving (see README.md)."""
