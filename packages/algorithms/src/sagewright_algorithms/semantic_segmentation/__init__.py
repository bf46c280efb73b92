"""The built-in algorithm Semantic Segmentation (FCN, PSP, DeepLab v3), of the image ``semantic-segmentation``."""
