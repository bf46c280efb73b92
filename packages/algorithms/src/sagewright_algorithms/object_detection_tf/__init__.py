"""Object Detection - TensorFlow: an algorithm in JumpStart form."""
