"""Script mode: the environment of a training job and the run of the user's program."""
