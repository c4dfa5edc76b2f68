"""A torch and a torchvision that were not built for each other, told from the many errors that this shows itself by."""

import re
from importlib.metadata import PackageNotFoundError, version

_SIGNS = re.compile(r"torchvision::\w+ does not exist|module 'torchvision' has no|torchvision[\\/]_C|libtorchvision")
REMEDY = (
    "install both anew, from one index: python -m pip install --force-reinstall torch torchvision (for CPU builds add "
    "--index-url https://download.pytorch.org/whl/cpu)"
)


def misfit(error: BaseException) -> str | None:
    """Word an error, or one that led to it, as a torch and torchvision that do not fit; None where it is another.

    Example:
        >>> misfit(RuntimeError("operator torchvision::nms does not exist")).partition("do ")[2]
        'not fit each other (operator torchvision::nms does not exist)'
        >>> misfit(RuntimeError("out of memory")) is None
        True
    """
    cause: BaseException | None = error
    while cause is not None:
        if _SIGNS.search(str(cause)):
            what = " ".join(str(cause).split())[:200]
            return f"torch {_version('torch')} and torchvision {_version('torchvision')} do not fit each other ({what})"
        cause = cause.__cause__ or cause.__context__
    return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(none)"
