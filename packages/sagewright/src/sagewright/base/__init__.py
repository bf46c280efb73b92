"""Leaf helpers without a domain; everything may import them and they import nothing of Sagewright."""
