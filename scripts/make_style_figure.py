"""Draw assets/figures/styles.png: one chair in every style, for README.

python scripts/make_style_figure.py
"""

import torch
from _common import ASSETS
from PIL import Image

import pointclip as pc
from pointclip import images, viz
from pointclip._base.files import make_folder, whole

SHAPE, RIG, VIEW = "chair.obj", "ring-6", 0
NOTES = {"pointclip": "pointclip (mirrored)"}


def main() -> None:
    cloud = pc.load(ASSETS / "meshes" / SHAPE)
    rig = pc.views(RIG)
    pictures, names = [], []
    for name, style in images.STYLES.items():
        normals = cloud.normals[None] if name in ("shaded", "color") else None
        drawn = images.render(cloud.points[None], rig, style, 2 * viz.sheet.TILE, normals, cloud.colors[None])[0]
        pictures.append(images.viewable(drawn)[VIEW])
        names.append(NOTES.get(name, name))
    sheet = viz.contact_sheet([viz.Panel("", torch.stack(pictures), tuple(names))])
    target = ASSETS / "figures" / "styles.png"
    make_folder(target.parent)
    few = sheet.convert("L" if cloud.colors is None else "RGB").quantize(128, dither=Image.Dither.NONE)
    with whole(target) as draft:
        few.save(draft, format="PNG", optimize=True)
    print(f"{target}: {sheet.width} x {sheet.height} pixels, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
