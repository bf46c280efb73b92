"""What the algorithms of the MXNet family share: hyperparameters, channels, log lines, model files, requests and answers."""

import os

# OpenMP's threads spin while they wait for one another: on a machine with other work a small torch step costs 16 times as much.
# Its library reads this when torch is loaded, so it is said before any module here can do that.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
