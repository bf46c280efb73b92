"""Rows: resources with a due time, and append-only records; knows no SageMaker word."""
