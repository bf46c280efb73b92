"""Serving: HTTP on :8080 and frames on a Unix socket, for built-in algorithms and for the functions of a user's script."""
