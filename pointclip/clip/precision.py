"""The form and the number format of a frozen image tower: fast where it is measured to pay and to keep the answers."""

import copy
import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from pointclip._base.cache import cache_folder, write_bytes
from pointclip._base.checks import nearest
from pointclip._base.threads import one_thread
from pointclip.clip import towers
from pointclip.errors import InputError

_log = logging.getLogger(__name__)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_COSINE = 0.999
LEAST_SAME = 0.99999
LEAST_GAIN = 1.1
_PROBES = 2
_ROUNDS = 2


@dataclass(frozen=True)
class Precision:
    """The number format of a tower and the reason for it.

    Attributes:
        name: ``fp32``, ``bf16`` or ``fp16``.
        channels_last: Whether images and convolution weights are laid out channels last.
        why: One sentence for people.
    """

    name: str
    channels_last: bool
    why: str

    @property
    def dtype(self) -> torch.dtype:
        """The torch dtype of the tower."""
        return DTYPES[self.name]


@dataclass(frozen=True)
class _Trial:
    """A low-precision tower against float32: how many times as fast, and the lowest cosine of their features."""

    gain: float
    cosine: float

    @property
    def passed(self) -> bool:
        return self.gain >= LEAST_GAIN and self.cosine >= LEAST_COSINE


_MEASURED = [field.name for field in fields(_Trial)]


def place(
    tower: nn.Module, device: torch.device, precision: str, image_size: int, identity: str
) -> tuple[nn.Module, Precision]:
    """Put a frozen image tower on a device in the chosen number format.

    Args:
        tower: An image tower in float32, evaluation mode; it stays as it is.
        device: Where to.
        precision: ``"fp32"``, ``"bf16"``, ``"fp16"``, or ``"auto"``: a low precision that this machine supports,
            at least 1.1 times as fast as float32 and with features of cosine 0.999 or more to those of float32,
            both measured on two images and remembered; else ``"fp32"``.
        image_size: Side of its images in pixels.
        identity: Names the weights; the measurement is remembered under it.

    Returns:
        A copy of the tower, in its fast form where there is one that gives the same features,
        whose tensors are shared with the original where they need no change, and the choice.

    Raises:
        InputError: There is no such precision.
    """
    if precision not in (*DTYPES, "auto"):
        raise InputError(f"unknown precision {precision!r}: {nearest(precision, (*DTYPES, 'auto'))}")
    tower = _quickest(tower, image_size, identity)
    last = channels_last_pays(tower)
    if precision != "auto":
        return moved(tower, device, DTYPES[precision], last), Precision(precision, last, f"{precision}, as asked")
    names = supported(device)
    plain = moved(tower, device, torch.float32, last)
    if not names:
        return plain, Precision("fp32", last, f"fp32: no fast low precision on this {device.type}")
    said = []
    for name in names:
        low = moved(tower, device, DTYPES[name], last)
        measure = partial(_measured, plain, low, DTYPES[name], device, image_size)
        trial = _Trial(
            **_remembered(f"{identity} {name} form {towers.REVISION} {_machine(device)}", _MEASURED, measure)
        )
        said.append(f"{name} is {trial.gain:.1f} times as fast as fp32, with cosine {trial.cosine:.4f} to it")
        if trial.passed:
            return low, Precision(name, last, f"{said[-1]} on two test images")
    need = f"asked for {LEAST_GAIN} times and {LEAST_COSINE}"
    return plain, Precision("fp32", last, f"fp32: {'; '.join(said)}, {need}")


def supported(device: torch.device) -> tuple[str, ...]:
    """List the low precisions that a device computes in hardware, the preferred one first.

    Args:
        device: A CPU or a CUDA device; any other is given none.

    Returns:
        Names out of ``bf16`` and ``fp16``.

    Example:
        >>> supported(torch.device("meta"))
        ()
    """
    if device.type == "cuda":
        bf16 = torch.cuda.get_device_capability(device) >= (8, 0)
        fp16 = torch.cuda.get_device_capability(device) >= (7, 0)
        return ("bf16", "fp16") if bf16 else ("fp16",) * fp16
    return ("bf16",) if device.type == "cpu" and _cpu_has_bf16() else ()


def batch_size(device: torch.device, precision: Precision) -> int:
    """Give the number of images that passes a tower fastest, as measured (``scripts/bench_pipeline.py``).

    Returns:
        On a CPU, whose caches should hold what a layer gives to the next: 4 for a convolutional tower in float32, whose
        early layers are large, else 8. 256 elsewhere.

    Example:
        >>> batch_size(torch.device("cpu"), Precision("bf16", True, ""))
        8
    """
    if device.type != "cpu":
        return 256
    return 4 if precision.channels_last and precision.name == "fp32" else 8


def channels_last_pays(tower: nn.Module) -> bool:
    """Tell whether a tower is convolutional; one convolution alone cuts the patches of a transformer.

    Example:
        >>> channels_last_pays(nn.Sequential(nn.Conv2d(3, 8, 16)))
        False
    """
    return sum(isinstance(module, nn.Conv2d) for module in tower.modules()) > 1


def moved(module: nn.Module, device: torch.device, dtype: torch.dtype, channels_last: bool = False) -> nn.Module:
    """Copy a module to a device and a number format; tensors that need no change are shared, not copied.

    Args:
        module: The original; it stays as it is.
        device: Where to.
        dtype: Of every floating-point tensor.
        channels_last: Lay out four-dimensional tensors channels last.

    Returns:
        The copy, frozen and in evaluation mode.

    Example:
        >>> moved(nn.Linear(2, 2), torch.device("cpu"), torch.bfloat16).weight.dtype
        torch.bfloat16
    """
    memo: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        plain = tensor.detach()
        plain = plain.to(device, dtype if plain.is_floating_point() else plain.dtype)
        if channels_last and plain.ndim == 4:
            plain = plain.contiguous(memory_format=torch.channels_last)
        memo[id(tensor)] = nn.Parameter(plain, requires_grad=False) if isinstance(tensor, nn.Parameter) else plain
    return copy.deepcopy(module, memo).eval()


def features(tower: nn.Module, images: Tensor, *further: Tensor) -> Tensor:
    """Run an image tower; of a tower that also returns its tokens, take the features.

    Args:
        tower: An image tower of open_clip.
        images: (B, 3, S, S), normalised, in the tower's dtype.
        further: What else the tower takes.

    Returns:
        (B, C) in the tower's dtype, not normalised.
    """
    out = tower(images, *further)
    return out[0] if isinstance(out, tuple) else out


def _cpu_has_bf16() -> bool:
    # torch names these calls differently from version to version
    known = ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "is_amx_tile_supported")
    calls = [getattr(torch.cpu, name, None) for name in known]
    return any(call() for call in calls if call is not None)


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} torch {torch.__version__}"
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return f"{capabilities.get('cpu_name', 'cpu')} {torch.get_num_threads()} threads torch {torch.__version__}"


def _try(plain: nn.Module, low: nn.Module, dtype: torch.dtype, device: torch.device, image_size: int) -> _Trial:
    images = _test_images(image_size).to(device)
    if channels_last_pays(plain):
        images = images.contiguous(memory_format=torch.channels_last)
    exact_s, low_s = [], []
    for _ in range(1 + _ROUNDS):
        seconds, exact = _timed(plain, images)
        exact_s.append(seconds)
        seconds, rounded = _timed(low, images.to(dtype))
        low_s.append(seconds)
    cosine = torch.cosine_similarity(exact, rounded).nan_to_num(-1.0).min().item()
    return _Trial(round(min(exact_s[1:]) / min(low_s[1:]), 2), round(cosine, 5))


def _measured(*towers_and_images: Any) -> dict[str, float]:
    return asdict(_try(*towers_and_images))


@one_thread()
@torch.inference_mode()
def _timed(tower: nn.Module, images: Tensor) -> tuple[float, Tensor]:
    # on a CPU the processor's time, of one thread: what else runs there must not decide, once and for good, and threads
    # of one product wait for each other by counting
    clock = time.process_time if images.device.type == "cpu" else time.perf_counter
    start = clock()
    found = features(tower, images).float().cpu()
    return clock() - start, found


def _test_images(side: int) -> Tensor:
    """Draw two grey shapes with soft shading on a light ground, (2, 3, S, S) about -1 to 1."""
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    ball = rows**2 + columns**2 < 0.5
    box = (rows.abs() < 0.7) & ((columns + 0.3 * rows).abs() < 0.4)
    pictures = [torch.where(shape, 0.6 * rows - 0.3 * columns, torch.tensor(0.9)) for shape in (ball, box)]
    return torch.stack(pictures)[:, None].expand(_PROBES, 3, side, side).contiguous()


def _quickest(tower: nn.Module, image_size: int, identity: str) -> nn.Module:
    """Take the fast form of a tower where its features are the original's; measured once and remembered."""
    versions = f"{towers.REVISION} torch {torch.__version__} open_clip {version('open_clip_torch')}"
    try:
        quick = towers.quickened(tower)
        if quick is None:
            return tower
        measure = partial(_cosine, tower, quick, image_size)
        cosine = _remembered(f"{identity} form {versions}", ["cosine"], measure)["cosine"]
    except Exception as error:  # of a release of open_clip that this one was not written for: any
        _log.warning("the image tower has no fast form here (%s: %s)", type(error).__name__, error)
        return tower
    if cosine < LEAST_SAME:
        _log.warning("the fast form of the image tower has cosine %.6f to it: open_clip's own forward runs", cosine)
        return tower
    return quick


def _cosine(tower: nn.Module, other: nn.Module, image_size: int) -> dict[str, float]:
    images = _test_images(image_size).to(next(tower.parameters()).device)
    (_, expected), (_, found) = _timed(tower, images), _timed(other, images)
    return {"cosine": torch.cosine_similarity(expected, found).nan_to_num(-1.0).min().item()}


def _remembered(key: str, names: Sequence[str], measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    path = cache_folder("precision") / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        return {name: float(json.loads(path.read_text())[name]) for name in names}
    except FileNotFoundError:
        pass  # never measured
    except (OSError, ValueError, TypeError, KeyError) as error:
        _log.warning("%s is not readable (%s) and will be made anew", path, error)
    found = measure()
    try:
        write_bytes(path, json.dumps(found).encode())
    except OSError as error:
        _log.warning("%s could not be written (%s): it will be measured again next time", path, error)
    return found
