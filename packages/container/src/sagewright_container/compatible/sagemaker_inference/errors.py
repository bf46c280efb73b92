"""What scripts catch or raise."""

from sagewright_container.serving.content import UnsupportedFormatError

__all__ = ["UnsupportedFormatError"]
