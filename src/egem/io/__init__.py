"""Model files and training checkpoints."""
