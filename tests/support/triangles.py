"""Triangles drawn by hand, soups and balls that the tests of surfaces share."""

import torch

FAR = 131_072.0
NAN, INF = float("nan"), float("inf")

# Corners (u, v, z) of each triangle, what the image shows, and why.
DRAWN = {
    "shared edge: centres on the diagonal belong to the lower triangle, whose left edge it is": (
        [[(0, 0, 1), (4, 0, 1), (0, 4, 1)], [(4, 0, 1), (4, 4, 1), (0, 4, 1)]],
        """
        0 0 0 1
        0 0 1 1
        0 1 1 1
        1 1 1 1
        """,
    ),
    "horizontal shared edge through centres: they belong to the lower one, whose top edge it is": (
        [[(0, 1.5, 1), (4, 1.5, 1), (2, -2, 1)], [(0, 1.5, 1), (4, 1.5, 1), (2, 5, 1)]],
        """
        . 0 0 .
        1 1 1 1
        . 1 1 .
        """,
    ),
    "shared corner in a centre: of the four around it the right one holds the top and the left edge": (
        [
            [(0, 0, 1), (5, 0, 1), (2.5, 2.5, 1)],
            [(5, 0, 1), (5, 5, 1), (2.5, 2.5, 1)],
            [(5, 5, 1), (0, 5, 1), (2.5, 2.5, 1)],
            [(0, 5, 1), (0, 0, 1), (2.5, 2.5, 1)],
        ],
        """
        0 0 0 0 1
        3 0 0 1 1
        3 3 1 1 1
        3 2 2 1 1
        2 2 2 2 1
        """,
    ),
    "slivers: 0 runs over the centres of a column, 1 between two columns": (
        [[(0.4, -1, 1), (0.6, -1, 1), (0.5, 9, 1)], [(1.6, -1, 1), (1.9, -1, 1), (1.75, 9, 1)]],
        """
        0 . .
        0 . .
        0 . .
        """,
    ),
    "behind or in the camera, even with one corner": (
        [[(0, 0, -1), (9, 0, -1), (0, 9, -1)], [(0, 0, 1), (9, 0, 1), (0, 9, 0)], [(0, 0, 1), (9, 0, -1), (0, 9, 1)]],
        """
        . .
        . .
        """,
    ),
    "ties: 0 and 1 are one triangle; 2 is nearer on the left half": (
        [[(0, 0, 2), (8, 0, 2), (0, 8, 2)], [(0, 0, 2), (8, 0, 2), (0, 8, 2)], [(0, 0, 1), (2, 0, 1), (0, 9, 1)]],
        """
        2 2 0 0
        2 2 0 0
        """,
    ),
    "no area: a repeated corner, a line through centres, an area that rounding takes": (
        [
            [(0, 0, 1), (4, 4, 1), (4, 4, 1)],
            [(0, 0, 1), (2, 2, 1), (4, 4, 1)],
            [(0.5, 0.5, 1), (0.501, 0.5, 1), (0.5, 0.501, 1)],
        ],
        """
        . .
        . .
        """,
    ),
    "corners that are no numbers": (
        [
            [(NAN, 0, 1), (9, 0, 1), (0, 9, 1)],
            [(0, 0, 1), (9, INF, 1), (0, 9, 1)],
            [(0, 0, 1), (9, 0, NAN), (0, 9, 1)],
            [(0, 0, 1), (9, 0, 1), (0, 9, INF)],
            [(-INF, 0, 1), (9, 0, 1), (0, 9, 1)],
        ],
        """
        . .
        . .
        """,
    ),
    "the frame cuts 0; 1 lies left of it and 2 below": (
        [
            [(-5, -5, 1), (3, 0, 1), (0, 3, 1)],
            [(-9, 0, 1), (-1, 0, 1), (-5, 9, 1)],
            [(0, 4, 1), (4, 4, 1), (0, 9, 1)],
        ],
        """
        0 0 .
        0 . .
        . . .
        """,
    ),
    "0 reaches as far as corners may and covers all; 1 is nearer and goes beyond": (
        [[(-FAR, -FAR, 2), (FAR, -FAR, 2), (0, FAR, 2)], [(-FAR - 1, -FAR, 1), (FAR, -FAR, 1), (0, FAR, 1)]],
        """
        0 0
        0 0
        """,
    ),
    "rounding: a left edge 1/1000 pixel right of a centre is rounded onto it, at 1/100 it is not": (
        [[(0.501, -9, 1), (0.501, 1, 1), (20, -4, 1)], [(0.51, -8, 2), (0.51, 2, 2), (20, -3, 2)]],
        """
        0 0
        . 1
        """,
    ),
    "two that cross: each is in front on one side": (
        [[(0, -4, 1), (4, -4, 3), (0, 9, 1)], [(0, -4, 3), (4, -4, 1), (0, 9, 3)]],
        """
        0 0 1
        """,
    ),
}


def drawn(name: str, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return uvz (1, 1, 3F, 3), faces (F, 3) and the expected face image (1, 1, H, W) of a drawing."""
    corners, text = DRAWN[name]
    rows = [[-1 if cell == "." else int(cell) for cell in line.split()] for line in text.split("\n") if line.strip()]
    uvz = torch.tensor(corners, dtype=dtype).flatten(0, 1)[None, None]
    return uvz, torch.arange(3 * len(corners)).view(-1, 3), torch.tensor([[rows]])


def soup(
    num_faces: int, size: tuple[int, int], batch: tuple[int, int] = (1, 2), dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return triangles of all sizes that cross each other; some leave the frame, some are left out."""
    generator = torch.Generator().manual_seed(11)
    frame = torch.tensor([size[1], size[0], 1.0], dtype=dtype)
    centre = torch.rand(*batch, num_faces, 1, 3, generator=generator, dtype=dtype) * frame
    spread = torch.rand(*batch, num_faces, 1, 1, generator=generator, dtype=dtype) ** 4
    corners = centre + (torch.rand(*batch, num_faces, 3, 3, generator=generator, dtype=dtype) - 0.5) * frame * spread
    corners[..., 2] += 0.5
    corners[:, :, ::17, 1, 2] *= -1
    corners[:, :, 5::31, 2, 0] = NAN
    return corners.flatten(2, 3), torch.arange(3 * num_faces).view(-1, 3)


def ball(level: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the vertices (N, 3) and faces of an octahedron of radius 1, cut ``level`` times into four."""
    vertices = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    points = torch.tensor(vertices, dtype=torch.float64)
    faces = torch.tensor([[x, y, z] for x in (0, 1) for y in (2, 3) for z in (4, 5)])
    for _ in range(level):
        ends = torch.stack((faces, faces.roll(-1, 1)), -1).sort(-1).values.flatten(0, 1)
        edges, which = ends.unique(dim=0, return_inverse=True)
        middle = points[edges].mean(1)
        ab, bc, ca = (which.view(-1, 3) + len(points)).unbind(1)
        points = torch.cat((points, middle / middle.norm(dim=1, keepdim=True)))
        a, b, c = faces.unbind(1)
        faces = torch.cat([torch.stack(three, 1) for three in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return points, faces
