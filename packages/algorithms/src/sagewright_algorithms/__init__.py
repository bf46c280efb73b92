"""SageMaker's built-in algorithms: one package each, with a manifest, train and serve; imports nothing of the server."""
