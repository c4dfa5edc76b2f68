"""The average of :mod:`pointclip.meshes.creases` as a compiled loop."""

import numpy as np

from pointclip._base.compiled import kernel


@kernel
def smooth(normal, area, place, starts, around, crease, most, found):
    """Write the unit normals (3F, 3) of all corners into ``found``."""
    for corner in range(len(place)):
        face = corner // 3
        x = y = z = 0.0
        first, last = starts[place[corner]], starts[place[corner] + 1]
        for step in range(first, last if last - first <= most else first):
            other = around[step]
            angle = (
                normal[face, 0] * normal[other, 0]
                + normal[face, 1] * normal[other, 1]
                + normal[face, 2] * normal[other, 2]
            )
            if abs(angle) >= crease:
                weight = area[other] if angle > 0 else -area[other]
                x += weight * normal[other, 0]
                y += weight * normal[other, 1]
                z += weight * normal[other, 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0:
            found[corner, 0], found[corner, 1], found[corner, 2] = x / length, y / length, z / length
        else:
            found[corner, 0], found[corner, 1], found[corner, 2] = normal[face, 0], normal[face, 1], normal[face, 2]
