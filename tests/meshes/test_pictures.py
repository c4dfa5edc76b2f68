"""Pictures that unpack to gigabytes are left out with a note, and nothing is written to the terminal."""

import base64
import io
import json

import pytest
from PIL import Image

from pointclip.meshes import load_geometry
from pointclip.meshes.pictures import too_large

OBJ = "mtllib a.mtl\nusemtl red\nv 0 0 0\nv 1 0 0\nv 1 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nf 1/1 2/2 3/3\n"
PLY = "ply\nformat ascii 1.0\ncomment TextureFile a.png\nelement vertex 3\n"
PLY += "".join(f"property float {name}\n" for name in "xyzst")
PLY += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
PLY += "0 0 0 0 0\n1 0 0 1 0\n0 1 0 1 1\n3 0 1 2\n"


def picture(side: int, kind: str = "png") -> bytes:
    file = io.BytesIO()
    Image.new("1" if kind == "png" else "L", (side, side)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(("side", "kind"), [(9_000, "png"), (9_000, "jpeg"), (10_000, "png"), (10_000, "jpeg")])
def test_sizes(side, kind):
    assert too_large(picture(side, kind)) == (side == 10_000)


def test_other_bytes_have_no_size():
    for data in (b"", b"\x89PNG", b"\xff\xd8", b"\xff\xd8" + b"\xff" * 50, b"GIF89a", picture(8, "jpeg")[:100]):
        assert not too_large(data)


def gltf(folder, image):
    points = base64.b64encode(b"\0" * 36 + b"\0" * 24).decode()
    views = [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 24}]
    accessors = [{"bufferView": k, "componentType": 5126, "count": 3, "type": f"VEC{3 - k}"} for k in range(2)]
    part = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0}
    tree = {
        "asset": {"version": "2.0"},
        "bufferViews": views,
        "accessors": accessors,
        "meshes": [{"primitives": [part]}],
    }
    tree |= {"buffers": [{"byteLength": 60, "uri": f"data:application/octet-stream;base64,{points}"}]}
    tree |= {"materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}], "textures": [{"source": 0}]}
    tree |= {"images": [{"uri": image}], "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}], "scene": 0}
    (folder / "a.gltf").write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("a.obj", "a.png has more pixels than a texture needs, so its colours are left out"),
        ("a.ply", "a.png was not found, is damaged or too large, so its colours are left out"),
        ("beside.gltf", "a.png has more pixels than a texture needs, so its colours are left out"),
        ("inside.gltf", "1 picture too large to be a texture, so its colours are left out"),
    ],
)
def test_a_large_texture_is_a_note(tmp_path, capfd, recwarn, name, note):
    data = picture(10_000)
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "a.mtl").write_text("newmtl red\nmap_Kd a.png\n")
    (tmp_path / "a.obj").write_text(OBJ)
    (tmp_path / "a.ply").write_text(PLY)
    gltf(tmp_path, "a.png" if name[:6] == "beside" else "data:image/png;base64," + base64.b64encode(data).decode())
    mesh = load_geometry(tmp_path / (name if name[:2] == "a." else "a.gltf"))
    assert mesh.textures == () and mesh.notes == (note,)
    assert capfd.readouterr() == ("", "") and not [warning.message for warning in recwarn]
