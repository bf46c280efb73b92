"""What holds for the whole suite."""

from __future__ import annotations

import os

# As the algorithms say themselves (sagewright_algorithms.common); a test may import torch before any of them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
