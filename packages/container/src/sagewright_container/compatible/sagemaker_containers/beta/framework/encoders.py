"""Payloads as arrays and back; text types are text."""

from sagewright_container.compatible.sagemaker_inference.decoder import decode
from sagewright_container.compatible.sagemaker_inference.encoder import encode

__all__ = ["decode", "encode"]
