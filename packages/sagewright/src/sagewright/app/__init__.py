"""Composition: settings in, running parts out; the only place that knows everybody. One module per process."""
