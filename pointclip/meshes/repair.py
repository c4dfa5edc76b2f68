"""What every mesh reader shares: the advice in its refusals, and the check of what was read."""

from dataclasses import replace

import numpy as np

from pointclip._base.words import counted
from pointclip.errors import InputError
from pointclip.meshes.geometry import Mesh

_MOST = 1e70  # of a coordinate: the squares of areas of larger ones overflow
REPAIR = "export it again from the program it comes from"


def sound(source: str, mesh: Mesh) -> Mesh:
    """Return the mesh without the faces that have a corner at NaN or infinity, which its notes then count.

    Raises:
        InputError: A face names a vertex that is not there, or half of the faces or more have such a corner.

    Example:
        >>> sound("a.obj", Mesh(np.eye(3), np.array([[0, 1, 3]])))
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: a.obj has faces that name vertices it does not hold, so it was cut short: ...
    """
    if not len(mesh.faces):
        raise InputError(f"{source} holds no faces and no points: {REPAIR}")
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise InputError(f"{source} has faces that name vertices it does not hold, so it was cut short: {REPAIR}")
    finite = (np.abs(mesh.vertices) < _MOST).all(axis=1)
    good = finite[mesh.faces].all(axis=1)
    if good.all():
        return mesh
    if good.sum() * 2 <= len(good):
        broken = len(finite) - int(finite.sum())
        raise InputError(f"{source} has NaN or infinite coordinates in {broken} of {len(finite)} vertices: {REPAIR}")
    note = f"{counted(int((~good).sum()), 'face')} with NaN or infinite coordinates left out"
    return replace(mesh.with_faces(good), notes=(*mesh.notes, note))
