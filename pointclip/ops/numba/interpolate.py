"""Values at the corners of triangles carried into the pixels, on a CPU."""

from collections.abc import Sequence

import numpy as np
import torch

from pointclip._base.compiled import empty, kernel, over_pictures


@kernel
def _carry(first, last, barycentric, values, face, faces, meshes, num_views, image):
    for picture in range(first, last):
        first_face, end_face, first_point, end_point = meshes[picture // num_views]
        triangles = faces[first_face:end_face]
        own = values[(picture % num_views) % values.shape[0], first_point:end_point]
        for pixel in range(face.shape[1]):
            number = min(face[picture, pixel], triangles.shape[0] - 1)
            if number < 0:
                image[picture, pixel] = 0
                continue
            weights, corners = barycentric[picture, pixel], triangles[number]
            w0, w1, w2 = weights[0], weights[1], weights[2]
            i, j, k = corners[0], corners[1], corners[2]
            for channel in range(own.shape[1]):
                image[picture, pixel, channel] = (w0 * own[i, channel] + w1 * own[j, channel]) + w2 * own[k, channel]


def interpolate(
    barycentric: torch.Tensor, values: torch.Tensor, face: torch.Tensor, faces: torch.Tensor, meshes: Sequence[int]
) -> torch.Tensor:
    """Return the weighted values of the winners' corners, bit for bit as the reference does."""
    num_channels = values.shape[-1]
    image = empty((*face.shape, num_channels), barycentric.dtype)
    over_pictures(
        _carry,
        face.shape[0] * face.shape[1],
        barycentric.numel() + image.numel(),
        barycentric.detach().flatten(2, 3).flatten(0, 1).contiguous().numpy(),
        values.detach().contiguous().numpy(),
        face.flatten(2).flatten(0, 1).contiguous().numpy(),
        faces.contiguous().numpy(),
        np.array(meshes, np.int64).reshape(-1, 4),
        face.shape[1],
        image.view(face.shape[0] * face.shape[1], face.shape[2] * face.shape[3], num_channels).numpy(),
    )
    return image
