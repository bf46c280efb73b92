"""What the agent cannot do, in a sentence for whoever runs it."""

from __future__ import annotations


class EdgeError(Exception):
    """A package that is not to be run, a device that cannot be registered."""
