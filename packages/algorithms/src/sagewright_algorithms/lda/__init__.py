"""Latent Dirichlet Allocation as a SageMaker built-in algorithm: manifest, training and serving (see README.md)."""
