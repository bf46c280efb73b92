"""Inference Recommender: load tests on real endpoints, and what they recommend."""
