"""Training jobs: data comes in, a container trains, the model goes out."""
