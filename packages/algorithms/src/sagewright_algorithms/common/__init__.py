"""What the algorithms of the MXNet family share: hyperparameters, channels, log lines, model files, requests and answers."""
