"""What decides the parts of a long encoding job, kept beside them so that another job is refused in their folder."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointclip import __version__
from pointclip._base.cache import write_bytes
from pointclip._base.files import refusals
from pointclip.datasets.protocol import Dataset, fingerprint_of
from pointclip.encoding.cached import sight_key
from pointclip.errors import InputError

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

PLAN = "plan.json"
_IN_WORDS = {
    "seen": "weights or number format",
    "shapes_sha256": "files, points, up axis or seed",
    "drop_outliers": "treatment of far outliers",
    "skip_background": "treatment of the background",
}
_BEFORE = {"pose": "given", "drop_outliers": True, "skip_background": False}  # of plans that do not say
_SEEN_FOLLOWS = {"model", "views", "style", "drop_outliers", "skip_background"}


def plan_of(model: "PointCLIP", dataset: Dataset, indices: Sequence[int], part_size: int, pose: str) -> dict[str, Any]:
    """Write down all that decides the parts."""
    digest = hashlib.sha256()
    for index in indices:
        digest.update(f"{index} {fingerprint_of(dataset, index)}\n".encode())
    return {
        "pointclip": __version__,
        "model": model.clip.name,
        "views": model.views.rig,
        "style": str(model.style),
        "pose": pose,
        "drop_outliers": model.drop_outliers,
        "skip_background": model.clip.skip_background,
        "seen": sight_key(model),
        "shapes": len(indices),
        "shapes_sha256": digest.hexdigest(),
        "part_size": part_size,
    }


def read_plan(folder: Path) -> dict[str, Any]:
    """Read the plan of a folder of parts.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read.
        ValueError: It is damaged.
        TypeError: It is damaged.
    """
    return _BEFORE | dict(json.loads((folder / PLAN).read_text()))


def claim(folder: Path, plan: dict[str, Any]) -> None:
    """Enter the plan into a new folder, or check that the folder is of the same plan.

    Raises:
        InputError: It is of another one, or cannot be read or written.
    """
    path = folder / PLAN
    try:
        known = read_plan(folder)
    except FileNotFoundError:
        with refusals(path):
            write_bytes(path, json.dumps(plan, indent=2).encode())
        return
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}): remove {folder} or name another folder") from error
    other = [name for name in plan if known.get(name) != plan[name]]
    if _SEEN_FOLLOWS & set(other):
        other = [name for name in other if name != "seen"]
    if "drop_outliers" in other:
        other = [name for name in other if name != "shapes_sha256"]
    if other:
        words = ", ".join(_IN_WORDS.get(name, name) for name in other)
        raise InputError(f"{folder} holds a job with other {words}: name another folder, or remove it to start over")
