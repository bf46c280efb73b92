"""S3: the embedded server, a client, and transfers into and out of containers."""
