"""Image Classification - TensorFlow, JumpStart's algorithm for folders of images, on torch (DG:image-classification-tensorflow)."""
