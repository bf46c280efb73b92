"""The built-in algorithm Image Classification: residual networks on images, one label or several (DG:image-classification)."""
