"""Log lines and metric points: append-only; controllers write, neighbours read."""
