"""Compilation of models for ONNX Runtime: what stands for SageMaker Neo here, and the serving of what it made."""
