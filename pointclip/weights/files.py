"""Weight files on disk: what they hold, and what is wrong with one in a sentence."""

import hashlib
import json
import logging
import pickle
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from pointclip.errors import WeightsError
from pointclip.weights.hub import CONFIG_FILE

BY_HAND = (".pt",)  # forms that open_clip loads and does not look for in a folder
_SUFFIXES = (".safetensors", ".bin", ".pth", *BY_HAND)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MOST_WORDS = 200


def check_readable(path: Path) -> None:
    """Refuse a weight file that is missing, empty or not readable.

    Raises:
        WeightsError: Naming the file.
    """
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, expected a weight file: a model folder is named local-dir:{path}")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise WeightsError(f"the weight file {path} does not exist") from error
    except OSError as error:
        raise WeightsError(f"the weight file {path} cannot be read: {error}") from error
    if empty:
        raise WeightsError(f"the weight file {path} is empty: download or copy it again")


def check_folder(folder: Path) -> Path:
    """Refuse a model folder without open_clip's configuration and a weight file.

    Returns:
        A weight file of the folder, the one that open_clip prefers where there are several.

    Raises:
        WeightsError: Naming the folder and what it lacks.
    """
    if not folder.is_dir():
        raise WeightsError(f"the model folder {folder} does not exist")
    config = folder / CONFIG_FILE
    if not config.is_file():
        raise WeightsError(f"{folder} holds no {CONFIG_FILE}: expected a folder that open_clip saved or the hub gave")
    check_config(config)
    found = [path for suffix in _SUFFIXES for path in sorted(folder.glob(f"*{suffix}"))]
    if not found:
        raise WeightsError(f"{folder} holds no weight file, expected one of *{', *'.join(_SUFFIXES)}")
    return next((path for path in found if path.stem.startswith("open_clip")), found[0])


def check_config(config: Path) -> None:
    """Refuse an ``open_clip_config.json`` that describes no model.

    Raises:
        WeightsError: Naming the file.
    """
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{config} is not readable JSON: {error}") from error
    model_cfg = content.get("model_cfg") if isinstance(content, dict) else None
    if not isinstance(model_cfg, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= model_cfg.keys():
        raise WeightsError(f"{config} describes no model: expected 'model_cfg' with embed_dim, vision_cfg and text_cfg")


def is_torchscript(path: Path) -> bool:
    """Tell whether a file is a TorchScript archive, the form in which OpenAI published its weights."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(Path(name).name == "constants.pkl" for name in archive.namelist())


def load_torchscript(model: nn.Module, path: Path) -> None:
    """Copy the tensors of a TorchScript archive into a model; its methods are not called."""
    state = torch.jit.load(str(path), map_location="cpu").state_dict()
    constants = {name for name, _ in model.named_buffers()} - model.state_dict().keys()
    constants |= {"input_resolution", "context_length", "vocab_size"}
    model.load_state_dict({name: tensor for name, tensor in state.items() if name not in constants})


@contextmanager
def no_word_of_random_weights() -> Iterator[None]:
    """Keep open_clip from saying, of a model whose weights are loaded right after, that it stays a random one."""

    def true(record: logging.LogRecord) -> bool:
        return "No pretrained weights loaded" not in record.msg

    root = logging.getLogger()
    root.addFilter(true)
    try:
        yield
    finally:
        root.removeFilter(true)


def fingerprint(model: nn.Module) -> str:
    """Name the exact numbers and structure of a model in one string, for cache keys.

    Args:
        model: On any device.

    Returns:
        A sha256 in hexadecimal over the printed structure (it names the activations) and every tensor's bytes.
    """
    state = model.state_dict()
    digest = hashlib.sha256(str(model).encode())
    with ThreadPoolExecutor() as pool:
        for name, part in zip(state, pool.map(_digest, state.values()), strict=True):
            digest.update(name.encode())
            digest.update(part)
    return digest.hexdigest()


def _digest(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(flat.numpy().data).digest()


def summary(error: BaseException, architecture: str) -> str:
    """Word in one clause why a weight file could not be loaded.

    Args:
        error: What the loader raised.
        architecture: The name of the model that the file was loaded into.
    """
    text = _COLOUR.sub("", str(error))
    if isinstance(error, pickle.UnpicklingError) and (found := re.search(r"GLOBAL (\S+)", text)):
        return (
            f"it holds Python objects ({found[1]}), not only tensors, and no code of a file is run here: where it was "
            "made, save the tensors alone with torch.save(model.state_dict(), FILE)"
        )
    if "Error(s) in loading state_dict" not in text:
        first = (text.strip().splitlines() or [type(error).__name__])[0]
        if "weights_only" in text:  # torch's own words advise to run the code in it
            first = "it is cut, or holds more than tensors"
        return f"it is damaged or no weight file ({type(error).__name__}: {first[:_MOST_WORDS]})"
    parts = [_listed(kind, _names(text, kind)) for kind in ("Missing", "Unexpected")]
    sizes = re.findall(r"size mismatch for ([^:]+):", text)
    parts.append(_listed("wrongly shaped", sizes))
    return f"its tensors are not those of {architecture}: " + ", ".join(part for part in parts if part)


def _names(text: str, kind: str) -> list[str]:
    found = re.search(rf"{kind} key\(s\) in state_dict: (.*?)\.\s*(?:\n|$)", text)
    return re.findall(r'"([^"]+)"', found.group(1)) if found else []


def _listed(kind: str, names: list[str]) -> str:
    return f"{len(names)} {kind.lower()} (such as {names[0]})" if names else ""
