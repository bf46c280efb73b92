"""Pipe-mode channels: the FIFOs below /opt/ml/input/data and the processes that feed them."""
