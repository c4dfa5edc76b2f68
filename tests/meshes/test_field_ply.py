"""PLY files of scanners, photogrammetry and splat trainers."""

import numpy as np
import pytest

from pointclip.errors import InputError
from pointclip.meshes import load_geometry

COUNT = 300
BALL = np.random.default_rng(0).normal(size=(COUNT, 3))
BALL = (BALL / np.linalg.norm(BALL, axis=1, keepdims=True)).astype("<f4")
RED = BALL[:, 1] > 0
COLORS = np.where(RED[:, None], [[1.0, 0, 0]], [[0, 0, 1.0]])
WORDS = {"f4": "float", "u1": "uchar", "u2": "ushort", "f8": "double"}


def cloud_ply(columns: dict[str, tuple[str, np.ndarray]]) -> bytes:
    table = np.zeros(len(columns["x"][1]), [(name, "<" + kind) for name, (kind, _) in columns.items()])
    for name, (_, values) in columns.items():
        table[name] = values
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(table)}\n"
    return (head + "".join(f"property {WORDS[k]} {n}\n" for n, (k, _) in columns.items()) + "end_header\n").encode() + (
        table.tobytes()
    )


def xyz(points: np.ndarray = BALL) -> dict[str, tuple[str, np.ndarray]]:
    return {axis: ("f4", points[:, k]) for k, axis in enumerate("xyz")}


@pytest.mark.parametrize("names", ["red green blue", "r g b", "diffuse_red diffuse_green diffuse_blue"])
@pytest.mark.parametrize(("kind", "top"), [("u1", 255), ("u2", 65535), ("f4", 1.0), ("f8", 1.0)])
def test_colours_by_any_name_and_type(tmp_path, names, kind, top):
    colors = {name: (kind, COLORS[:, k] * top) for k, name in enumerate(names.split())}
    (tmp_path / "a.ply").write_bytes(cloud_ply(xyz() | colors))
    assert np.allclose(load_geometry(tmp_path / "a.ply").colors, COLORS)


def test_splats_have_colours_and_lose_the_faint_ones(tmp_path):
    points = np.vstack([BALL, 6 * BALL[:30]])
    colors = np.vstack([COLORS, COLORS[:30]])
    columns = xyz(points) | {name: ("f4", np.zeros(len(points))) for name in ("nx", "ny", "nz")}
    columns |= {f"f_dc_{k}": ("f4", (colors[:, k] - 0.5) / 0.28209479) for k in range(3)}
    columns |= {"opacity": ("f4", np.where(np.arange(len(points)) < COUNT, 6.0, -6.0))}
    (tmp_path / "a.ply").write_bytes(cloud_ply(columns))
    cloud = load_geometry(tmp_path / "a.ply")
    assert np.allclose(cloud.points, BALL) and np.allclose(cloud.colors, COLORS, atol=1e-5) and cloud.normals is None
    assert cloud.notes == ("30 splats with an opacity under 5 % left out",)


def mesh_ply(faces: str, count: int, vertices: str, kind: str = "list uchar int vertex_indices") -> str:
    head = f"ply\nformat ascii 1.0\nelement vertex {len(vertices.splitlines())}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz")
    return head + f"element face {count}\nproperty {kind}\nend_header\n{vertices}{faces}"


def test_a_cut_text_file_and_impossible_counts_are_refused(tmp_path):
    square = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n"
    whole = mesh_ply("3 0 1 2\n3 0 2 3\n", 2, square)
    for text in (whole[:-8], whole.replace("face 2", "face 3"), whole.replace("vertex 4", "vertex 1000000000000")):
        (tmp_path / "a.ply").write_text(text)
        with pytest.raises(InputError, match="and ends before the last, or is damaged: copy it again"):
            load_geometry(tmp_path / "a.ply")


def test_hollow_polygons_are_not_filled(tmp_path):
    rows = [(0, 0), (3, 0), (3, 3), (0, 3), (0, 2), (2, 2), (2, 1), (0, 1)]
    (tmp_path / "a.ply").write_text(mesh_ply("8 0 1 2 3 4 5 6 7\n", 1, "".join(f"{x} {y} 0\n" for x, y in rows)))
    mesh = load_geometry(tmp_path / "a.ply")
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert np.cross(b - a, c - a)[:, 2].sum() / 2 == pytest.approx(7)
    assert (np.cross(b - a, c - a)[:, 2] >= 0).all()


def test_strips_of_triangles(tmp_path):
    text = mesh_ply("9 0 1 2 3 -1 3 2 1 0\n", 1, "0 0 0\n1 0 0\n0 1 0\n1 1 0\n", "list int int vertex_indices")
    (tmp_path / "a.ply").write_text(text.replace("element face", "element tristrips"))
    mesh = load_geometry(tmp_path / "a.ply")
    assert sorted(map(sorted, mesh.faces.tolist())) == [[0, 1, 2], [0, 1, 2], [1, 2, 3], [1, 2, 3]]
    a, b, c = (mesh.vertices[mesh.faces[:2, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all(), "every second triangle of a strip is turned"


def test_each_row_of_strips_is_a_strip_of_its_own(tmp_path):
    text = mesh_ply("3 0 1 2\n4 3 4 5 6\n", 2, "0 0 0\n" * 7, "list int int vertex_indices")
    (tmp_path / "a.ply").write_text(text.replace("element face", "element tristrips"))
    assert load_geometry(tmp_path / "a.ply").faces.tolist() == [[0, 1, 2], [3, 4, 5], [5, 4, 6]]


def test_a_missing_texture_is_noted(tmp_path):
    text = mesh_ply("3 0 1 2 6 0 0 1 0 0 1\n", 1, "0 0 0\n1 0 0\n0 1 0\n").replace(
        "end_header", "property list uchar float texcoord\nend_header"
    )
    (tmp_path / "a.ply").write_text(text.replace("element vertex", "comment TextureFile none.png\nelement vertex"))
    mesh = load_geometry(tmp_path / "a.ply")
    assert mesh.corner_colors is None
    assert mesh.notes == ("none.png was not found, is damaged or too large, so its colours are left out",)
