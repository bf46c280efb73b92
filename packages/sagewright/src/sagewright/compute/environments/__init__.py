"""Environments with an interpreter of their own: for images whose libraries cannot live beside the server's.

An environment is a virtual environment below the data folder, made by uv from the pins of a definition (``<name>.toml`` here)
when it is first needed, named by their content, shared read-only by every container that runs in it.
"""
