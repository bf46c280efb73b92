"""Payloads as NumPy arrays."""

from sagewright_container.serving.content import decode

__all__ = ["decode"]
