"""Cases, tolerances and targets that the tests of the scatter ops share.

The files ops/test_zbuffer, test_splat and test_mean hold what every backend has to do. They run here on each backend
of the CPU (and of CUDA where there is one), and test_triton runs them once more in Triton's interpreter.
"""

import math
import os

import pytest
import torch

from pointclip import ops

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if INTERPRETED:
    TARGETS = [("triton", "cpu")]
else:
    DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    TARGETS = [
        (backend, device)
        for device in DEVICES
        for backend in ops.BACKENDS
        if ops.why_not(backend, torch.empty(0, device=device)) is None
    ]
on_each_target = pytest.mark.parametrize(("backend", "device"), TARGETS)

# (op, what) -> relative and absolute tolerance in float32; integers and depth of the z-buffer have none.
TOLERANCES = {
    ("weighted_mean", "forward"): (1e-5, 1e-6),  # sums of tens of addends of one sign, in any order
    ("weighted_mean", "backward"): (1e-4, 1e-5),  # z - mean cancels
    ("splat", "forward"): (1e-4, 1e-5),  # exp of (front - z) / tau: 1e-7 of z grows by 1 / tau
    ("splat", "backward"): (2e-3, 2e-4),  # the same, times x - mean, which cancels, summed over a footprint
}


def assert_close(got: torch.Tensor, expected: torch.Tensor, op: str, what: str) -> None:
    """Compare with the tolerance of the table; float64 gets a millionth of it."""
    rtol, atol = TOLERANCES[op, what]
    factor = 1e-6 if got.dtype == torch.float64 else 1.0
    torch.testing.assert_close(got.cpu(), expected.cpu().to(got.dtype), rtol=rtol * factor, atol=atol * factor)


NAN, INF = math.nan, math.inf

# u, v, z of each point of a 5x5 image, and why it does or does not appear.
DRAWN_POINTS = [
    (0.0, 0.0, 1.0, "u = v = 0 belongs to the first pixel"),
    (4.9999, 4.9999, 1.0, "u = W - eps, v = H - eps belong to the last pixel"),
    (5.0, 2.5, 1.0, "u = W is outside"),
    (2.5, 5.0, 1.0, "v = H is outside"),
    (-0.0001, 2.5, 1.0, "left of the frame"),
    (2.5, -0.0001, 1.0, "above the frame"),
    (1.5, 1.5, 2.0, "loses against 7, which is nearer"),
    (1.2, 1.8, 1.5, "nearest in its pixel"),
    (3.0, 1.0, 3.0, "a border between pixels belongs to the right and lower one; ties with 9 and has the lower index"),
    (3.9, 1.9, 3.0, "ties with 8, higher index"),
    (1.5, 3.5, -1.0, "behind the camera"),
    (1.5, 3.5, 0.0, "in the camera"),
    (1.5, 3.5, NAN, "no depth"),
    (1.5, 3.5, INF, "infinitely far"),
    (NAN, 3.5, 1.0, "no column"),
    (1.5, INF, 1.0, "no row"),
    (-INF, 3.5, 1.0, "infinitely far left"),
    (2.5, 3.5, 2.5, "duplicate of 18, lower index wins"),
    (2.5, 3.5, 2.5, "duplicate of 17"),
    (4.5, 0.5, 1e-40, "a denormal depth is positive"),
]

DRAWN_INDEX = {
    0.0: """
        0  .  .  . 19
        .  7  .  8  .
        .  .  .  .  .
        .  . 17  .  .
        .  .  .  .  1
    """,
    # 7 lies at (1.2, 1.8): no further centre within 0.5. 8 lies on a corner: its own centre is 0.71 away, and own
    # pixels are always covered. 9 (3.9, 1.9) reaches no neighbour: the nearest other centre is 0.72 away.
    0.5: """
        0  .  .  . 19
        .  7  .  8  .
        .  .  .  .  .
        .  . 17  .  .
        .  .  .  .  1
    """,
    # 0 and 1 lie in corners: the next centre is 1.58 away. 6 (1.5, 1.5) covers a cross and keeps (0, 1) and (1, 2): in
    # (1, 1), (2, 1) and (1, 0) 7 is nearer, which also reaches (2, 0), 0.99 away. 8 (3, 1) covers four pixels
    # around its corner: (0, 3) goes to 19, (1, 2) to 6. 9 reaches four pixels: ties with 8 in (1, 3), and loses (1, 4)
    # to 19. 17 and 19 cover crosses, 19's cut by the frame.
    1.0: """
        0  6  8 19 19
        7  7  6  8 19
        7  7 17  9  9
        . 17 17 17  .
        .  . 17  .  1
    """,
}


def drawn(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return the drawn points as uvz (1, 1, N, 3)."""
    return torch.tensor([[[point[:3] for point in DRAWN_POINTS]]], dtype=dtype)


def read_drawing(text: str) -> torch.Tensor:
    """Turn a drawing into an index image (1, 1, 5, 5)."""
    rows = [[-1 if cell == "." else int(cell) for cell in line.split()] for line in text.split("\n") if line.strip()]
    return torch.tensor([[rows]])


def random_points(
    shape: tuple[int, int, int] = (2, 3, 120), size: tuple[int, int] = (12, 17), dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Return points of which some are outside, behind or not finite."""
    generator = torch.Generator().manual_seed(7)
    uvz = torch.rand(*shape, 3, generator=generator, dtype=dtype)
    uvz = uvz * torch.tensor([size[1] + 2, size[0] + 2, 2.0], dtype=dtype) - torch.tensor([1, 1, 0.1], dtype=dtype)
    uvz[0, 0, 3], uvz[-1, -1, 4, 0], uvz[0, -1, 5, 2] = NAN, INF, -INF
    return uvz


def clustered_points(num_points: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return points that fight for ten pixels, many at equal depth."""
    generator = torch.Generator().manual_seed(3)
    u = torch.randint(0, 10, (1, 1, num_points), generator=generator).to(dtype) + 0.5
    z = torch.randint(1, 2000, (1, 1, num_points), generator=generator).to(dtype) / 500
    return torch.stack((u, torch.full_like(u, 2.5), z), -1)


def counts(uvz: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Say which points count, straight from the words of the contract."""
    u, v, z = uvz.unbind(-1)
    return uvz.isfinite().all(-1) & (z.float() > 0) & (u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0])
