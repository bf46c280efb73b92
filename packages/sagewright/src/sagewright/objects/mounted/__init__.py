"""Channels as read-only file systems: the kernel's FUSE on one side, an S3 on the other (docs/decisions/0013)."""
