"""Every error a user of pointclip can meet.

Each message says what was expected, what came and what to do next. The command line turns any of them into one
sentence and exit code 2.
"""


class PointClipError(Exception):
    """The parent of all errors raised on purpose by pointclip.

    Example:
        >>> issubclass(InputError, PointClipError) and issubclass(InputError, ValueError)
        True
    """


class InputError(PointClipError, ValueError):
    """A file, an array or an argument is not what the function takes."""


class WeightsError(PointClipError, RuntimeError):
    """Model weights are missing, damaged, of another model or not reachable without network."""


class BackendUnavailable(PointClipError, RuntimeError):
    """A backend was named by the user and cannot run here."""


class MissingDependency(PointClipError, ImportError):
    """An optional package is needed and not installed."""


class DatasetError(InputError):
    """A dataset is missing or its folder does not have the documented layout."""
