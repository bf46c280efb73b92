"""Imported by published scripts, and not used by them."""
