"""The front process: the only public listener. Signature, routing, inference, S3; everything else goes to control."""
