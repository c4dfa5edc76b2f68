"""What decides the parts of a long encoding job, kept beside them so that another job is refused in their folder."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointclip import __version__
from pointclip._base.cache import write_bytes
from pointclip._base.files import refusals
from pointclip.datasets.protocol import Dataset, fingerprint_of
from pointclip.errors import InputError
from pointclip.feature_spec import FeatureSpec

if TYPE_CHECKING:
    from pointclip.model import PointCLIP

PLAN = "plan.json"
_IN_WORDS = {
    "pointclip": "version of pointclip",
    "seen": "weights or number format",
    "shapes_sha256": "files, points, up axis or seed",
    "drop_outliers": "treatment of far outliers",
    "skip_background": "treatment of the background",
}


def plan_of(model: "PointCLIP", dataset: Dataset, indices: Sequence[int], part_size: int, pose: str) -> dict[str, Any]:
    """Write down all that decides the parts."""
    digest = hashlib.sha256()
    for index in indices:
        digest.update(f"{index} {fingerprint_of(dataset, index)}\n".encode())
    spec = replace(model.feature_spec, pose=pose)
    return {
        "pointclip": __version__,
        "seen": spec.key,
        "spec": asdict(spec),
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
    return dict(json.loads((folder / PLAN).read_text()))


def claim(folder: Path, plan: dict[str, Any]) -> None:
    """Enter the plan into a new folder, or check that the folder is of the same plan.

    Raises:
        InputError: It is of another one, or cannot be read or written.
    """
    path = folder / PLAN
    try:
        known = read_plan(folder)
        before = FeatureSpec(**known["spec"]) if "spec" in known else None
    except FileNotFoundError:
        with refusals(path):
            write_bytes(path, json.dumps(plan, indent=2).encode())
        return
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}): remove {folder} or name another folder") from error
    other = [name for name in plan if name != "spec" and known.get(name) != plan[name]]
    if before is None:
        other = ["pointclip"]
    elif "seen" in other:
        unlike = before.differences(FeatureSpec(**plan["spec"]))
        other = [*unlike, *(name for name in other if name != "seen" or not unlike)]
        other = [name for name in other if name != "shapes_sha256" or "drop_outliers" not in unlike]
    if other:
        words = ", ".join(_IN_WORDS.get(name, name) for name in other)
        raise InputError(f"{folder} holds a job with other {words}: name another folder, or remove it to start over")
