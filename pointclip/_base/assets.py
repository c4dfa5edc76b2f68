"""Where the files of the top-level ``assets`` folder are."""

from pathlib import Path


def asset(name: str) -> Path:
    """Locate a file that ships with pointclip, in a wheel or in a checkout.

    A wheel carries the ``assets`` folder inside the package; an editable install finds it beside the package.

    Args:
        name: Path below ``assets``, such as ``"labels/modelnet40.txt"``.

    Returns:
        The path. The file may not exist: the caller words that error.

    Example:
        >>> asset("labels/modelnet40.txt").name
        'modelnet40.txt'
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / "assets"
    return (inside if inside.is_dir() else package.parent / "assets") / name
