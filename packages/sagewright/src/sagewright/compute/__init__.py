"""How a container runs: one interface (runtime.py), several drivers."""
