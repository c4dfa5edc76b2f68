"""Import of optional packages, with an error that says which extra brings them."""

from importlib import import_module
from types import ModuleType

from pointclip.errors import MissingDependency


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module or say how to install it.

    Args:
        module: Dotted module name, such as ``"open3d"``.
        extra: The extra of pointclip that installs it, such as ``"viz"``.

    Returns:
        The imported module.

    Raises:
        MissingDependency: The module is not installed, or is installed and does not import here.

    Example:
        >>> require("json", extra="viz").dumps([1])
        '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.split(".")[0] != error.name.split(".")[0]:
            raise MissingDependency(
                f"{module} is installed but needs {error.name}: pip install {error.name}"
            ) from error
        raise MissingDependency(
            f"this needs the package {module.split('.')[0]}, which is not installed: pip install 'pointclip[{extra}]'"
        ) from error
    except ImportError as error:
        raise MissingDependency(f"{module} is installed but does not import on this machine: {error}") from error
