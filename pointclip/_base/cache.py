"""The folder of the user where results worth keeping are kept, and tensors in it."""

import hashlib
import json
import logging
import os
import secrets
import sys
from pathlib import Path

from torch import Tensor, uint8

_log = logging.getLogger(__name__)


def cache_folder(kind: str) -> Path:
    """Name the user's cache folder for one kind of result, without making it.

    ``POINTCLIP_CACHE`` overrides the place; else ``XDG_CACHE_HOME``, else the platform's own.

    Args:
        kind: Name of the folder below it, such as ``"text"``.

    Returns:
        The path.

    Example:
        >>> cache_folder("text").name
        'text'
    """
    if chosen := os.environ.get("POINTCLIP_CACHE"):
        return Path(chosen) / kind
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        base = Path(xdg)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path.home() / ".cache"
    return base / "pointclip" / kind


def read_tensor(path: Path) -> Tensor | None:
    """Read a tensor that :func:`write_tensor` wrote.

    Args:
        path: The file.

    Returns:
        The tensor, or None where there is no such file or it is damaged (then it is made anew, and the log says so).
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = path.read_bytes()
        tensor = load(content)["tensor"]
        if _written(content) != _digest(tensor):
            raise ValueError("its sha256 is another")
        return tensor
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        _log.warning("%s is not readable (%s) and will be made anew", path, error)
        return None


def write_tensor(path: Path, tensor: Tensor) -> None:
    """Keep a tensor in a file, under a temporary name first.

    A folder that cannot be written costs only the time to compute the tensor again; the log says so.

    Args:
        path: The file; its folder is made.
        tensor: Any shape and dtype; a copy on the CPU is written.
    """
    from safetensors.torch import save

    try:
        kept = tensor.detach().cpu().contiguous()
        write_bytes(path, save({"tensor": kept}, {"sha256": _digest(kept)}))
    except OSError as error:
        _log.warning("%s could not be written (%s): it will be computed again next time", path, error)


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().view(-1).view(uint8).numpy().tobytes()).hexdigest()


def _written(content: bytes) -> str:
    """Give the digest in the header of a safetensors file."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return str(header["__metadata__"]["sha256"])


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: under a temporary name first, then renamed.

    Args:
        path: The file; its folder is made.
        content: What to write.

    Raises:
        OSError: The folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            file.write(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
