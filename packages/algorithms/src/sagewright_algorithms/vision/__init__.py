"""What the algorithms on images share: decoding, image records, lists, loading, augmentation, backbones, endpoints."""
