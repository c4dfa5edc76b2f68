"""``pointclip doctor``: what works on this machine, and of what does not, why and what to do about it."""

import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import typer
from rich.text import Text

from pointclip._base.torch_pair import REMEDY, misfit
from pointclip.cli import console as _console
from pointclip.cli import options as _options
from pointclip.cli.boundary import EXIT_FAULT, bounded
from pointclip.errors import MissingDependency, PointClipError

_MARKS = {True: ("yes", "green"), False: ("no ", "yellow")}
_BROKEN = ("NO ", "red")
_FORMS = (
    "plain ViTs, ResNets and convolutional towers run in a faster form; ViTs of timm (SigLIP, SigLIP2, PE-Core, EVA), "
    "ConvNeXt and CoCa have none and run open_clip's own forward"
)

# torch and all that needs it are imported inside the checks: a broken installation is itself a finding.


@bounded
def doctor(json: _options.Json = False) -> None:
    """Say what works on this machine, and of what does not, why and what to do about it.

    The exit code is 1 when something that every run needs does not work.
    """
    show = _console.printer()
    done: list[Check] = []
    for name in CHECKS:
        with _console.waiting(f"checking {name}"):
            check = examine(name)
        done.append(check)
        if not json:
            remedy = f" -> {check.remedy}" if check.remedy else ""
            mark = _BROKEN if check.broken else _MARKS[check.ok]
            show(Text.assemble(mark, "  ", (f"{check.name}: ", "bold"), check.note, remedy))
    if json:
        _console.write_json({"checks": [asdict(check) for check in done]})
    if broken := [check.name for check in done if check.broken]:
        _console.say_error(f"needed, and not working: {', '.join(broken)}")
        raise typer.Exit(EXIT_FAULT)


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        ok: Whether it works here.
        note: What was found, or why it does not work.
        remedy: What to do about it; empty where nothing needs doing.
        needed: Whether nothing can be classified without it.
    """

    name: str
    ok: bool
    note: str
    remedy: str = ""
    needed: bool = False

    @property
    def broken(self) -> bool:
        """Tell whether this keeps every run from working."""
        return self.needed and not self.ok


def examine(name: str) -> Check:
    """Look at one thing; whatever goes wrong becomes the finding.

    Args:
        name: A key of ``CHECKS``.

    Example:
        >>> examine("python").ok
        True
    """
    needed = name in NEEDED
    try:
        ok, note, remedy = CHECKS[name]()
    except MissingDependency as error:  # an extra, that was left out
        ok, note, remedy, needed = False, str(error), "", False
    except PointClipError as error:
        ok, note, remedy = False, str(error), ""
    except Exception as error:  # a broken installation may raise anything
        text = " ".join(str(error).split())[:300]
        ok, note, remedy = False, f"{type(error).__name__}: {text}", "install pointclip again in a new environment"
        if pair := misfit(error):
            note, remedy = pair, REMEDY
    return Check(name, ok, note, remedy, needed)


Finding = tuple[bool, str, str]


def _python() -> Finding:
    note = f"{platform.python_version()} on {platform.system()} {platform.machine()}, pointclip {version('pointclip')}"
    return sys.version_info >= (3, 10), note, "" if sys.version_info >= (3, 10) else "install Python 3.10 or newer"


def _torch() -> Finding:
    import torch

    return True, f"{torch.__version__}, {torch.get_num_threads()} CPU threads", ""


def _torchvision() -> Finding:
    import torchvision

    return True, torchvision.__version__, ""


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return True, ", ".join(names), ""
    built = torch.version.cuda or torch.version.hip
    why = f"this PyTorch is built for {built} and finds no GPU" if built else "this PyTorch is built for the CPU only"
    remedy = "check the driver" if built else "install PyTorch's CUDA build if this machine has a GPU"
    return False, f"{why}: everything runs on the CPU", remedy


def _backends() -> Finding:
    import torch

    from pointclip import ops

    reasons = {name: ops.why_not(name) for name in ops.BACKENDS}
    note = "; ".join(f"{name}: {reason or 'runs'}" for name, reason in reasons.items())
    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    missed = [name for name, row in ops.BACKENDS.items() if row.first_on in devices and reasons[name]]
    return not missed, note, f"until {' and '.join(missed)} runs, the slower reference does" if missed else ""


def _kernels() -> Finding:
    from pointclip._base.compiled import folder

    here = folder()
    if here is not None:
        return True, f"compiled once and kept beside the code, as in {here}", ""
    note = "no folder for compiled kernels can be written: each process compiles them anew, which takes seconds"
    return False, note, "set NUMBA_CACHE_DIR to a folder you can write to"


def _precision() -> Finding:
    from pointclip.clip import pick_device, supported

    device = pick_device("auto")
    names = supported(device)
    if not names:
        return False, f"no fast low precision on this {device.type}: models run in fp32", ""
    return True, f"{', '.join(names)} on {device.type}; used where measured faster with the same answers", ""


def _open_clip() -> Finding:
    import open_clip

    known = f"{version('open_clip_torch')}, {len(open_clip.list_pretrained())} published weights"
    return True, f"{known}; {_FORMS}", ""


def _embedded() -> Finding:
    start = time.perf_counter()
    model = _options.named_network("embedded")
    seconds = time.perf_counter() - start
    return True, f"loads in {seconds:.1f} s on {model.device}; precision: {model.clip.precision.why}", ""


def _cached_models() -> Finding:
    from pointclip import weights

    ready = [row.name for row in weights.available() if row.ready and row.name != "embedded"]
    folder = weights.cache_root(None)
    if ready:
        return True, f"{', '.join(ready[:5])}{' and more' * (len(ready) > 5)} in {folder}", ""
    return False, f"none in {folder}", "with network they come on first use; else see: pointclip models"


def _hub_reached() -> Finding:
    from huggingface_hub import constants

    from pointclip.weights import Probe

    reason = Probe().failure()
    remedy = "use --model embedded, ARCH@FILE or local-dir:PATH; behind a proxy set HTTPS_PROXY"
    return reason is None, reason or f"{constants.ENDPOINT} answers", "" if reason is None else remedy


def _cache_folder() -> Finding:
    from pointclip._base.cache import cache_folder

    folder = cache_folder("text").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True, f"{folder} can be written", ""
    except OSError as error:
        note = f"{folder} cannot be written ({error.strerror or error}): text features are computed anew each time"
        return False, note, "set POINTCLIP_CACHE to a folder you can write to"


def _optional(module: str, remedy: str) -> Finding:
    from pointclip._base.optional import require

    if find_spec(module) is None:
        return False, "not installed (optional)", remedy
    require(module, extra="viz")
    try:
        return True, version(module), ""
    except PackageNotFoundError:
        return True, "installed", ""


CHECKS: dict[str, Callable[[], Finding]] = {
    "python": _python,
    "torch": _torch,
    "torchvision": _torchvision,
    "gpu": _gpu,
    "ops backends": _backends,
    "kernels": _kernels,
    "precision": _precision,
    "open_clip": _open_clip,
    "embedded": _embedded,
    "cached models": _cached_models,
    "model hub": _hub_reached,
    "cache folder": _cache_folder,
    "open3d": lambda: _optional("open3d", "pip install 'pointclip[viz]'"),
    "h5py": lambda: _optional("h5py", "pip install 'pointclip[data]'"),
    "collada": lambda: _optional("collada", "pip install 'pointclip[formats]' for .dae and .3mf files"),
    "DracoPy": lambda: _optional("DracoPy", "pip install 'pointclip[draco]' for compressed glTF files"),
    "ray": lambda: _optional("ray", "pip install 'pointclip[cluster]'"),
    "pytorch3d": lambda: _optional("pytorch3d", "see pytorch3d.org; only for exchanging data with it"),
}
NEEDED = ("python", "torch", "torchvision", "open_clip", "embedded")
