"""The training environment as an object: its attributes are the members of SM_TRAINING_ENV."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace


class Environment(SimpleNamespace):
    """``hyperparameters``, ``channel_input_dirs``, ``model_dir``, ``hosts``, ``current_host``, ``num_gpus``, …"""

    def __init__(self) -> None:
        super().__init__(**json.loads(os.environ["SM_TRAINING_ENV"]))
