"""What holds for the whole suite."""

from __future__ import annotations

import os

# As the algorithms say themselves (sagewright_algorithms.common); a test may import torch before any of them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# One thread for each operation of tensors: two workers share the machine, and threads that wait for one another on a core
# that somebody else has make the tests of networks ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
