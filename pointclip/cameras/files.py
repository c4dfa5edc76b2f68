"""Views in JSON files that a person can write."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip._base.checks import nearest
from pointclip._base.files import refusals, whole
from pointclip.cameras.camera import Views, framing_focal, lens, look_at
from pointclip.errors import InputError

_TOP_KEYS = ("rig", "perspective", "views")
_PLACES = (("yaw_deg", "up_deg", "distance"), ("position",), ("rotation", "translation"))
_LENSES = ("fov_deg", "focal")
_VIEW_KEYS = ("name", *(key for place in _PLACES for key in place), *_LENSES, "principal")
_DISTANCE = 2.5
_MOST = 1e30  # of any number; larger ones overflow in float32


def read_views(path: str | Path) -> Views:
    """Read views from a JSON file.

    The file holds ``{"rig": NAME, "perspective": true, "views": [VIEW, ...]}``; the first two may be left out. A VIEW
    says where its camera stands in one of three ways:

    * ``"yaw_deg"`` (0 from the front +z, 90 from +x) and ``"up_deg"`` (elevation), with ``"distance"`` (2.5): it looks
      at the origin, +y upwards;
    * ``"position": [x, y, z]``: the same from a point of the world;
    * ``"rotation"`` (3 x 3, world to camera: x right, y down, z away) and ``"translation"``, for any camera.

    Its lens is ``"fov_deg"``, over the short side, or ``"focal"``, in half short sides; without either, the unit sphere
    touches the frame. ``"principal": [right, down]`` moves the axis off the middle, in half short sides. ``"name"`` may
    be left out.

    Args:
        path: The file.

    Returns:
        The views.

    Raises:
        InputError: The file is missing, no JSON, or says something else; the message names the view.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path of the views") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("views"), list) or not document["views"]:
        raise InputError(f'{path} must hold an object with a list of views: {{"views": [{{"yaw_deg": 30}}]}}')
    _check_keys(str(path), document, _TOP_KEYS)
    perspective = document.get("perspective", True)
    if not isinstance(perspective, bool):
        raise InputError(f"{path}: perspective must be true or false, got {perspective!r}")
    cameras = []
    for number, view in enumerate(document["views"], start=1):
        where = f"{path}, view {number}"
        if not isinstance(view, dict):
            raise InputError(f"{where} must be an object, got {view!r}")
        _check_keys(where, view, _VIEW_KEYS)
        cameras.append(
            (*_place(where, view), *_lens(where, view, perspective), str(view.get("name", f"view {number}")))
        )
    rotations, translations, focal, principal, names = zip(*cameras, strict=True)
    try:
        return Views(
            torch.stack(rotations),
            torch.stack(translations),
            torch.tensor(focal),
            perspective,
            names,
            str(document.get("rig", path.stem)),
            torch.stack(principal),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def write_views(views: Views, path: str | Path) -> None:
    """Write views to a JSON file that :func:`read_views` reads back to the last digit.

    Args:
        views: The views.
        path: The file; one that exists is replaced.

    Raises:
        InputError: It cannot be written.
    """
    entries: list[dict[str, Any]] = []
    for number, name in enumerate(views.names):
        entry = {
            "name": name,
            "rotation": views.rotations[number].tolist(),
            "translation": views.translations[number].tolist(),
            "focal": views.focal[number].item(),
        }
        entries.append(entry if views.principal is None else entry | {"principal": views.principal[number].tolist()})
    document = {"rig": views.rig, "perspective": views.perspective, "views": entries}
    with whole(path) as draft, refusals(Path(path)):
        draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _place(where: str, view: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """World-to-camera rotation (3, 3) and translation (3,)."""
    ways = [place for place in _PLACES if any(key in view for key in place)]
    if len(ways) != 1:
        raise InputError(
            f"{where} must say where its camera stands in one way: yaw_deg and up_deg, or position, or rotation and "
            "translation"
        )
    if "rotation" in ways[0]:
        return _numbers(where, view, "rotation", (3, 3)), _numbers(where, view, "translation", (3,))
    if "position" in view:
        position = _numbers(where, view, "position", (3,))
        distance = position.norm()
    else:
        yaw, up = (math.radians(_number(where, view, key, 0.0)) for key in ("yaw_deg", "up_deg"))
        position = torch.tensor([math.sin(yaw) * math.cos(up), math.sin(up), math.cos(yaw) * math.cos(up)])
        distance = torch.tensor(_number(where, view, "distance", _DISTANCE))
    if not distance > 0:
        raise InputError(f"{where}: the camera must stand away from the origin, got a distance of {distance:g}")
    return look_at(position[None])[0], torch.tensor([0.0, 0.0, float(distance)])


def _lens(where: str, view: dict[str, Any], perspective: bool) -> tuple[float, Tensor]:
    principal = _numbers(where, view, "principal", (2,)) if "principal" in view else torch.zeros(2)
    if "fov_deg" in view and ("focal" in view or not perspective):
        raise InputError(f"{where} has fov_deg beside a focal length or in a parallel projection: give focal alone")
    try:
        if "fov_deg" in view:
            return lens(_number(where, view, "fov_deg", 0.0)), principal
        if "focal" in view or not perspective:
            return _number(where, view, "focal", 1.0), principal
        return framing_focal(float(_place(where, view)[1][2])), principal
    except InputError as error:
        raise error if where in str(error) else InputError(f"{where}: {error}") from error


def _number(where: str, view: dict[str, Any], key: str, default: float) -> float:
    value = view.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:
        raise InputError(f"{where}: {key} must be a number, got {repr(value)[:80]}")
    return float(value)


def _numbers(where: str, view: dict[str, Any], key: str, shape: tuple[int, ...]) -> Tensor:
    try:
        found = torch.tensor(view[key], dtype=torch.float32)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{where}: {key} must be numbers of shape {shape}, got {repr(view.get(key))[:80]}") from error
    if tuple(found.shape) != shape or not bool(found.isfinite().all()):
        raise InputError(f"{where}: {key} must be numbers of shape {shape}, got {repr(view[key])[:80]}")
    return found


def _check_keys(where: str, given: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise InputError(f"{where} has an unknown key {key!r}: {nearest(key, known)}")
