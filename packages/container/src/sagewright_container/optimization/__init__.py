"""Optimization of language models: quantized or sharded checkpoints, and the layers that compute with quantized weights."""
