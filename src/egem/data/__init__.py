"""Data in memory: validation, preparation, augmentation, splits, selection."""
