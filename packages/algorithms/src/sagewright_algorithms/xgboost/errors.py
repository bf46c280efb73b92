"""What went wrong in training, by whose fault it is."""

from __future__ import annotations


class UserError(Exception):
    """The user can mend it: a hyperparameter, a channel, the data. The texts are those of AWS's container."""
