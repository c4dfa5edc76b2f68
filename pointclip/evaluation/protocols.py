"""The protocols of the papers' own codes: which points, pictures, sentences and logits their numbers come from.

Each is what the public code does, faults included, to answer why a number is not the published one. None is a way to
use this package: the clouds are not normalised, and nothing was chosen for accuracy here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from pointclip import images
from pointclip._base.checks import nearest
from pointclip.cameras import views
from pointclip.datasets import Dataset
from pointclip.errors import InputError
from pointclip.evaluation.literature import published
from pointclip.evaluation.run import Request
from pointclip.feature_spec import FeatureSpec

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

_QUICK = "-quickgelu"


@dataclass(frozen=True)
class Protocol:
    """What a paper's code does.

    Attributes:
        name: What ``--protocol`` takes.
        paper: Whose code it is.
        rig: Name of the views.
        style: Name of the style.
        template: The one sentence for every class.
        free_templates: Whether the paper has sentences of its own that are not here, so that others may be given.
        adapter: Whether a trained adapter is judged, which brings its own sentences.
        scale: Factor on cosines that the code writes down; None takes the model's own.
        view_weights: By dataset and architecture, the weights that the code has; others are ones.
        notes: What a reader of the numbers must know.
        num_points: How many of the stored rows are taken.
    """

    name: str
    paper: str
    rig: str
    style: str
    template: str
    free_templates: bool = False
    adapter: bool = False
    scale: float | None = None
    view_weights: Mapping[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    num_points: int = 1024

    def request(self, dataset: str, **others: Any) -> Request:
        """Ask for what the code computes: its fusion of the views, and nothing chosen on further shapes.

        Args:
            dataset: What the dataset is called.
            others: Further fields of the request.
        """
        return Request(dataset, **{"calibrate": False, "convention": "paper", **others})

    def stored(self, dataset: Dataset) -> Dataset:
        """Make a dataset give its first 1,024 stored rows as they are: not turned, centred, scaled or spread.

        Raises:
            InputError: Its clouds do not lie as arrays in HDF5 files.
        """
        if not hasattr(dataset, "as_stored"):
            raise InputError(
                f"the protocol {self.name} takes the first {self.num_points} rows stored of each cloud: name the HDF5 "
                "files (modelnet40_ply_hdf5_2048 or ScanObjectNN's h5_files), not meshes or text"
            )
        dataset.as_stored, dataset.num_points = True, self.num_points  # type: ignore[attr-defined]
        return dataset

    def prepare(self, model: "PointCLIP", dataset: str) -> None:
        """Give a model the protocol's view weights and scale, in place.

        Args:
            model: Made with the protocol's views and style, and its template or an adapter.
            dataset: What the dataset is called.

        Raises:
            InputError: The model has other views, another style, or no adapter where one is judged.
        """
        if self.adapter != (model.few_shot is not None):
            wanted = "judges an adapter: name its file with --adapter" if self.adapter else "is zero-shot: leave it out"
            raise InputError(f"the protocol {self.name} {wanted} (pointclip convert-v1 makes one of the code's own)")
        treated = (model.drop_outliers, model.surface)
        own = FeatureSpec.seen_by(model.clip, views(self.rig), images.style(self.style), *treated)
        own.refuse_another(model.feature_spec, f"the protocol {self.name}")
        if self.scale is not None:
            model.clip.logit_scale = self.scale
        weights = self.view_weights.get((dataset.partition("-")[0], _architecture(model.clip.name)))
        if weights is not None:
            model.view_weights.copy_(torch.tensor(weights))

    def document(self, model: "PointCLIP", dataset: str) -> dict[str, Any]:
        """Describe the protocol and what was published of it, as JSON for the result."""
        told = {"name": self.name, "paper": self.paper, "published": published(self.name, dataset)}
        return {**told, "view_weights": model.view_weights.tolist(), "notes": list(self.notes)}


def _architecture(name: str) -> str:
    return name.partition("@")[0].partition("/")[0].removesuffix(_QUICK)


_V2_WEIGHTS = {
    ("modelnet40", "RN50"): (0.75, 0.75, 0.75, 0.75, 0.25, 0.5, 1.0, 1.0, 0.25, 0.25),
    ("modelnet40", "RN101"): (0.75, 0.75, 0.75, 0.25, 0.5, 1.0, 0.75, 0.25, 0.25, 0.25),
    ("modelnet40", "ViT-B-16"): (0.75, 0.75, 0.75, 0.25, 0.75, 1.0, 0.25, 1.0, 0.75, 0.25),
    ("modelnet40", "ViT-B-32"): (0.75, 0.75, 0.75, 0.75, 0.25, 0.5, 0.5, 0.75, 0.5, 0.5),
    ("scanobjectnn", "RN50"): (0.75, 0.75, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.25),
    ("scanobjectnn", "RN101"): (0.5, 0.5, 0.5, 0.75, 0.5, 1.0, 1.0, 0.75, 0.25, 0.25),
    ("scanobjectnn", "ViT-B-16"): (0.75, 0.75, 0.75, 0.5, 0.5, 1.0, 0.75, 1.0, 0.25, 0.25),
    ("scanobjectnn", "ViT-B-32"): (0.75, 0.75, 0.75, 0.5, 0.75, 0.75, 0.5, 1.0, 0.5, 0.75),
}
_V2_NOTES = (
    "the view weights of this protocol were picked on the test labels by the paper's authors",
    "the paper's sentences, one of GPT-3 for each class, picked on the test labels, are not shipped: give them with "
    "--templates FILE.json",
)
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("pointclip-v1", "PointCLIP", "pointclip-6", "pointclip", "point cloud depth map of a {}."),
        Protocol(
            "pointclip-v1-few-shot", "PointCLIP", "pointclip-10", "pointclip", "point cloud of a big {}.", adapter=True
        ),
        Protocol(
            "pointclip-v2",
            "PointCLIP V2",
            "realistic-10",
            "realistic",
            "point cloud depth map of a {}.",
            free_templates=True,
            scale=100.0,
            view_weights=_V2_WEIGHTS,
            notes=_V2_NOTES,
        ),
    )
}


def protocol_named(name: str) -> Protocol:
    """Look up a protocol.

    Raises:
        InputError: There is no such protocol; the message suggests the nearest.

    Example:
        >>> protocol_named("pointclip-v1").rig
        'pointclip-6'
    """
    if name not in PROTOCOLS:
        raise InputError(f"protocol {name!r} is unknown: {nearest(name, PROTOCOLS)}")
    return PROTOCOLS[name]
