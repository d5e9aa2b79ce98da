"""The package's own exceptions."""

__all__ = [
    "ClusterLost",
    "DatasetUnavailable",
    "ModelFileError",
    "TooLarge",
    "TrainingDiverged",
    "WorkerDied",
]


class TrainingDiverged(RuntimeError):
    """Training an expert reached no finite loss from any of its starting points."""


class WorkerDied(RuntimeError):
    """The workers of a task died repeatedly; the message names the task's classes or cases."""


class ClusterLost(ConnectionError):
    """The scheduler of a cluster, or all of its workers, cannot be reached any more."""


class ModelFileError(ValueError):
    """A file is not a complete model of this package."""


class TooLarge(ValueError):
    """The content of a file exceeds the size limit."""


class DatasetUnavailable(OSError):
    """A data set can be neither read from disk nor downloaded."""
