"""The quotas of an account: what they are called, what they are at first, what they were raised to."""
