"""The built-in algorithm Object Detection (SSD), of the image ``object-detection``."""
