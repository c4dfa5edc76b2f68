"""The shapes that ``embedded`` learns from, one by one, and every kind of picture that is made of them.

``assets/shapes.csv`` names them: source, path in it, plain English noun, licence. Sources are three libraries of
furniture and six packs of game and hobby meshes, all free for training.
"""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _common import ASSETS
from torch import Tensor

from pointclip import images
from pointclip.cameras import Views, look_at, views
from pointclip.datasets import ShapePack, extract
from pointclip.meshes import Mesh
from pointclip.points import MeshCloud, PointCloud, load

TABLE = ASSETS / "shapes.csv"
LIBRARY = ".sh3f"
FOLDS = {  # left out together: packs of one maker are alike
    "BlendSwap": ("BlendSwap-CC-BY.sh3f",), "Scopia": ("Scopia.sh3f",), "basemesh": ("basemesh",),
    "quaternius": ("quaternius", "quaternius_old"), "kenney": ("kenney", "pmndrs"), "kaykit": ("kaykit",),
}  # fmt: skip
LEARNED = {"ring": 3, "random": 2, "cloud": 2, "grey": 3}  # kinds of pictures and how many of each
SPARSE = {"sparse": 3}  # only judged, and only of furniture
_RING = "ring-3"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    source: str
    path: str
    label: str
    licence: str


def rows(source: str | None = None) -> list[Row]:
    """Read the table, or the lines of one source."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        found = [Row(**line) for line in csv.DictReader(file)]
    return [row for row in found if source in (None, row.source)]


def shapes(source: str, furniture: Path, packs: Path, skip: int = 0) -> Iterator[MeshCloud]:
    """Read the shapes of one source, in the order of the table, all but the first few."""
    listed = rows(source)[skip:]
    if source.endswith(LIBRARY):
        for row in listed:
            with TemporaryDirectory() as folder:
                yield load(extract(furniture / source, row.path, Path(folder)))
        return
    pack = ShapePack(packs / f"{source}.npz.xz")
    place = {name: index for index, name in enumerate(pack.names)}
    for row in listed:
        yield MeshCloud(pack.mesh(place[row.path]), name=row.path).normalized()


def picture(shape: PointCloud, rig: Views, size: int) -> Tensor:
    """Draw a shape as ``pointclip`` draws it by default, (V, 3, size, size) in [0, 1]: all pictures come from here."""
    return images.render_shape(shape, style=images.fitting_style(shape), views=rig, size=size)[0]


def kinds_of(source: str) -> dict[str, int]:
    """Name the kinds of pictures that are made of a source's shapes, with the number of each."""
    return LEARNED | SPARSE if source.endswith(LIBRARY) else LEARNED


def pictures(shape: MeshCloud, seed: int, size: int, kinds: Collection[str]) -> dict[str, Tensor]:
    """Draw some kinds of pictures of a mesh.

    ``ring``: the mesh, three views. ``random``: the mesh from anywhere, once in another colour. ``cloud``: two clouds
    of 2,048 to 20,000 points without colours and normals, some partial, some noisy. ``grey``: the mesh as a file
    without colours is drawn, three views. ``sparse``: a clean cloud of 2,048 points, three views, for judging.
    """
    rng = np.random.default_rng(seed)
    ring = views(_RING)
    found = {}
    if "ring" in kinds:
        found["ring"] = picture(shape, ring, size)
    if "random" in kinds:
        turned = [random_views(rng, -10, 60), random_views(rng, -10, 60)]
        found["random"] = torch.cat([picture(shape, turned[0], size), picture(recolored(shape, rng), turned[1], size)])
    if "cloud" in kinds:
        clouds = [spoiled(sampled(shape, int(np.exp(rng.uniform(np.log(2048), np.log(20_000)))), rng), rng)
                  for _ in range(LEARNED["cloud"])]  # fmt: skip
        found["cloud"] = torch.cat([picture(cloud, random_views(rng, -5, 50), size) for cloud in clouds])
    if "grey" in kinds:
        found["grey"] = picture(shape.with_mesh(uncolored(shape.mesh)), ring, size)
    if "sparse" in kinds:
        found["sparse"] = picture(sampled(shape, 2048, rng), ring, size)
    return found


def random_views(rng: np.random.Generator, low_deg: float, high_deg: float) -> Views:
    """Make one view at a random yaw and a random elevation."""
    yaw, up = (torch.tensor(np.radians(rng.uniform(*ends))) for ends in ((0, 360), (low_deg, high_deg)))
    toward = torch.stack([yaw.sin() * up.cos(), up.sin(), yaw.cos() * up.cos()]).float()
    like = views("ring-1")
    return Views(look_at(toward[None]), like.translations, like.focal, True, ("random",))


def uncolored(mesh: Mesh, colors: np.ndarray | None = None) -> Mesh:
    """Take a mesh's colours, textures and glass away, or put plain colours (F, 3, 3) in their place."""
    return replace(mesh, corner_colors=colors, corner_uv=None, face_texture=None, textures=(), face_opacity=None)


def recolored(shape: MeshCloud, rng: np.random.Generator) -> MeshCloud:
    """Give a mesh other colours: its own greyness, tinted; textures go."""
    mesh = shape.mesh
    grey = 0.8 if mesh.corner_colors is None else mesh.corner_colors.mean(2, keepdims=True)
    tint = rng.uniform(0, 0.6, 3)
    colors = np.broadcast_to(0.5 * grey + tint, (*mesh.faces.shape, 3)).clip(0, 1).astype(np.float32)
    return shape.with_mesh(uncolored(mesh, colors))


def sampled(shape: MeshCloud, count: int, rng: np.random.Generator) -> PointCloud:
    """Draw points on a mesh, without colours and normals."""
    drawn = MeshCloud(shape.mesh, count, int(rng.integers(2**31)))
    return PointCloud(drawn.points)


def spoiled(cloud: PointCloud, rng: np.random.Generator) -> PointCloud:
    """Take one side off some clouds, add noise to some."""
    points = cloud.points
    if rng.random() < 0.4:
        direction = torch.tensor(rng.normal(size=3)).float()
        along = points @ (direction / direction.norm())
        points = points[along <= along.quantile(rng.uniform(0.6, 0.95))]
    if rng.random() < 0.4:
        points = points + torch.tensor(rng.normal(size=points.shape) * rng.uniform(0.003, 0.02)).float()
    return PointCloud(points)
