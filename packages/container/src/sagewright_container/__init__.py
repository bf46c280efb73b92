"""What runs inside a container: knows only /opt/ml and HTTP; imports nothing of the server."""
