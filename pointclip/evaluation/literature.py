"""The one table of published numbers: what papers and their authors' code report, with the source of each."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """One number that somebody published.

    Attributes:
        protocol: The protocol it was measured by, a name of :mod:`pointclip.evaluation.protocols`.
        dataset: The dataset, by the name that ``open_dataset`` takes.
        encoder: The CLIP.
        accuracy: Top-1 on the test split, in [0, 1].
        source: Where it stands.
        remark: What to know of it; empty where nothing.
    """

    protocol: str
    dataset: str
    encoder: str
    accuracy: float
    source: str
    remark: str = ""


_V1, _V2 = "PointCLIP (Zhang et al., CVPR 2022)", "PointCLIP V2 (Zhu et al., ICCV 2023)"
_TUNED = "prompts and view weights were picked on the test labels"

PUBLISHED = (
    Published("pointclip-v1", "modelnet40", "RN50", 0.2018, _V1),
    Published("pointclip-v1", "modelnet10", "RN50", 0.3023, _V1),
    Published("pointclip-v1", "modelnet40", "ViT-B-16", 0.2378, _V2, "V1 measured by the authors of V2"),
    Published("pointclip-v1", "scanobjectnn-obj_only", "ViT-B-16", 0.2134, _V2, "V1 measured by the authors of V2"),
    Published(
        "pointclip-v1-few-shot",
        "modelnet40",
        "RN101",
        0.8671,
        f"README of the code of {_V1}",
        "its checkpoint of 16 shots, whose epoch was chosen on test",
    ),
    Published("pointclip-v2", "modelnet10", "ViT-B-16", 0.7313, _V2, _TUNED),
    Published("pointclip-v2", "modelnet40", "ViT-B-16", 0.6422, _V2, _TUNED),
    Published("pointclip-v2", "scanobjectnn-obj_only", "ViT-B-16", 0.5009, _V2, _TUNED),
    Published("pointclip-v2", "scanobjectnn-obj_bg", "ViT-B-16", 0.4122, _V2, _TUNED),
    Published("pointclip-v2", "scanobjectnn-pb_t50_rs", "ViT-B-16", 0.3536, _V2, _TUNED),
)


def published(protocol: str, dataset: str) -> list[dict[str, Any]]:
    """List what was published of a protocol on a dataset, as JSON.

    Args:
        protocol: Its name.
        dataset: The dataset's name; ``scanobjectnn`` alone is its variant ``obj_only``.

    Example:
        >>> [row["accuracy"] for row in published("pointclip-v1", "modelnet40")]
        [0.2018, 0.2378]
    """
    name = "scanobjectnn-obj_only" if dataset == "scanobjectnn" else dataset
    return [asdict(row) for row in PUBLISHED if (row.protocol, row.dataset) == (protocol, name)]
