"""Serving containers: their models, their start, their health and their logs. What endpoints and batch transform have in common."""
