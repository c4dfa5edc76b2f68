"""pointclip recognises 3D shapes with a frozen 2D vision-language model.

Names load on first use, so ``import pointclip`` and ``pointclip --help`` stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pointclip._base.version import __version__

if TYPE_CHECKING:
    from pointclip import ops as ops
    from pointclip.cameras import Views as Views
    from pointclip.cameras import project as project
    from pointclip.cameras import views as views
    from pointclip.datasets import open_dataset as open_dataset
    from pointclip.errors import BackendUnavailable as BackendUnavailable
    from pointclip.errors import DatasetError as DatasetError
    from pointclip.errors import InputError as InputError
    from pointclip.errors import MissingDependency as MissingDependency
    from pointclip.errors import PointClipError as PointClipError
    from pointclip.errors import WeightsError as WeightsError
    from pointclip.evaluation import evaluate as evaluate
    from pointclip.fewshot import FewShotResult as FewShotResult
    from pointclip.fewshot import fit as fit
    from pointclip.heads import InterViewAdapter as InterViewAdapter
    from pointclip.model import PointCLIP as PointCLIP
    from pointclip.model import Prediction as Prediction
    from pointclip.points import MeshCloud as MeshCloud
    from pointclip.points import PointCloud as PointCloud
    from pointclip.points import load as load

_HOME = {
    "BackendUnavailable": "errors",
    "DatasetError": "errors",
    "FewShotResult": "fewshot",
    "InputError": "errors",
    "InterViewAdapter": "heads",
    "MeshCloud": "points",
    "MissingDependency": "errors",
    "PointClipError": "errors",
    "WeightsError": "errors",
    "PointCLIP": "model",
    "PointCloud": "points",
    "Prediction": "model",
    "Views": "cameras",
    "evaluate": "evaluation",
    "fit": "fewshot",
    "load": "points",
    "open_dataset": "datasets",
    "project": "cameras",
    "views": "cameras",
}
__all__ = ["__version__", "ops", *_HOME]


def __getattr__(name: str) -> Any:
    if name == "ops":
        return import_module("pointclip.ops")
    if name not in _HOME:
        raise AttributeError(f"module 'pointclip' has no attribute {name!r}")
    value = getattr(import_module(f"pointclip.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
