"""Peers, each in an environment of its own (scripts/client-environments peers)."""
