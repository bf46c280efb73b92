"""Modules of AWS's toolkits that users' scripts import by name, as far as scripts use them; this folder is put last on their path.

Where an image has the real toolkit installed, that wins. Each re-exports what the toolkit of this package does anyway.
"""
