"""What went wrong in training, by whose fault it is. The text becomes FailureReason behind ``ClientError: ``."""

from __future__ import annotations


class ClientError(Exception):
    """The user can mend it: a hyperparameter, a channel, the data."""
