"""Readers of recordings: arrays, tables, long format, partitions, and data sets by name."""
