"""Data: validation, preparation, augmentation, splits, readers, data sets."""
