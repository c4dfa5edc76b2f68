"""Every file type gives the same shape, with its transforms and colours."""

import json
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from pointclip.errors import InputError
from pointclip.meshes import KNOWN_SUFFIXES, Mesh, RawPoints, from_scene, load_geometry

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
TETRA = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def outward_share(mesh: Mesh) -> float:
    """Share of the faces of a convex mesh whose right-hand normal points away from its middle."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    middle = mesh.vertices.mean(axis=0)
    return float((np.einsum("fk,fk->f", np.cross(b - a, c - a), a - middle) > 0).mean())


def cube_obj() -> str:
    rows = [f"v {x} {y} {z}" for x, y, z in CUBE]
    return "\n".join(rows + ["f " + " ".join(str(i + 1) for i in quad) for quad in QUADS]) + "\n"


def cube_off(header: str = "OFF\n") -> str:
    rows = [f"{x} {y} {z}" for x, y, z in CUBE] + ["4 " + " ".join(map(str, quad)) for quad in QUADS]
    return f"{header}8 6 0\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize("kind", ["off", "obj", "ply", "stl", "glb"])
def test_each_mesh_type_keeps_the_whole_surface(tmp_path, kind):
    made = trimesh.creation.icosphere(2, radius=3.0)
    made.apply_translation([10, 20, 30])
    made.export(tmp_path / f"ball.{kind}")
    mesh = load_geometry(tmp_path / f"ball.{kind}")
    assert isinstance(mesh, Mesh)
    assert mesh.faces.dtype == np.int64 and mesh.vertices.dtype == np.float64
    assert len(mesh.faces) == len(made.faces)
    assert area(mesh) == pytest.approx(made.area, rel=1e-5)
    assert np.allclose(mesh.vertices[mesh.faces].mean(axis=(0, 1)), [10, 20, 30], atol=1e-4)
    assert outward_share(mesh) == 1.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("quads.obj", cube_obj()),
        ("QUADS.OBJ", cube_obj()),
        ("quads.off", cube_off()),
        ("glued.off", cube_off("OFF")),
        ("lower.off", cube_off("off\n")),
        ("comment.off", cube_off("# made by hand\nOFF\n# counts follow\n")),
        ("windows.off", cube_off().replace("\n", "\r\n")),
        ("windows.obj", cube_obj().replace("\n", "\r\n")),
        ("latin.obj", b"# caf\xe9 cr\xe8me\n" + cube_obj().encode()),
        ("latin.off", b"OFF # caf\xe9\n" + cube_off("").encode()),
        ("bom.obj", b"\xef\xbb\xbf" + cube_obj().encode()),
    ],
)
def test_quads_and_header_spellings_lose_no_triangle(tmp_path, name, text):
    mesh = load_geometry(write(tmp_path, name, text))
    assert len(mesh.faces) == 12
    assert area(mesh) == pytest.approx(6.0)


@pytest.mark.parametrize("order", ["<", ">", "ascii"])
def test_ply_with_triangles_quads_and_a_pentagon(tmp_path, order):
    corner = [[np.cos(t), np.sin(t), 0.0] for t in np.arange(5) * 2 * np.pi / 5]
    faces = [(0, 1, 2, 3, 4), (5, 6, 7, 8), (5, 6, 7)]
    vertices = [*corner, (0, 0, 2), (1, 0, 2), (1, 1, 2), (0, 1, 2)]
    name = {"<": "binary_little_endian", ">": "binary_big_endian", "ascii": "ascii"}[order]
    header = f"ply\nformat {name} 1.0\nelement vertex 9\n" + "".join(f"property float {a}\n" for a in "xyz")
    header += "element face 3\nproperty list uchar int vertex_indices\nend_header\n"
    if order == "ascii":
        rows = [" ".join(map(str, v)) for v in vertices] + [" ".join(map(str, (len(f), *f))) for f in faces]
        body = ("\n".join(rows) + "\n").encode()
    else:
        body = np.array(vertices, f"{order}f4").tobytes()
        body += b"".join(bytes([len(f)]) + np.array(f, f"{order}i4").tobytes() for f in faces)
    mesh = load_geometry(write(tmp_path, "mixed.ply", header.encode() + body))
    assert len(mesh.faces) == 3 + 2 + 1
    assert area(mesh) == pytest.approx(2.5 * np.sin(2 * np.pi / 5) + 1.0 + 0.5, rel=1e-5)


@pytest.mark.parametrize("sizes", [(3, 4), (4, 5, 3), (5, 5), (3, 3)])
def test_binary_ply_faces_keep_their_colours(tmp_path, sizes):
    """Faces of 4, 5 and 3 corners take as many bytes as three quads, and are no quads."""
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 5\n" + "".join(
        f"property float {a}\n" for a in "xyz"
    )
    header += f"element face {len(sizes)}\nproperty list uchar int vertex_indices\n"
    header += "".join(f"property uchar {a}\n" for a in ("red", "green", "blue")) + "end_header\n"
    angles = np.arange(5) * 2 * np.pi / 5
    body = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1).astype("<f4").tobytes()
    for number, size in enumerate(sizes):
        body += bytes([size]) + np.arange(size, dtype="<i4").tobytes() + bytes([250 - 50 * number, 0, 0])
    mesh = load_geometry(write(tmp_path, "m.ply", header.encode() + body))
    reds = np.rint(mesh.corner_colors[:, 0, 0] * 255).astype(int).tolist()
    assert sorted(reds) == sorted(250 - 50 * n for n, size in enumerate(sizes) for _ in range(size - 2))


def test_relative_obj_indices_count_from_where_they_stand(tmp_path):
    first = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\n"
    second = "v 0 0 5\nv 2 0 5\nv 0 2 5\nf -3 -2 -1\n"
    mesh = load_geometry(write(tmp_path, "relative.obj", first + second))
    assert area(mesh) == pytest.approx(0.5 + 2.0)


def test_hollow_polygons_are_not_filled(tmp_path):
    """A window frame as one polygon: outline, hole and the edge that joins them, with and without v/vt/vn."""
    ring = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (1, 1), (1, 3), (3, 3), (3, 1), (1, 1)]
    comb = [(0, 0), (7, 0), (7, 5), (6, 5), (6, 1), (4, 1), (4, 5), (3, 5), (3, 1), (1, 1), (1, 5), (0, 5)]
    dart = [(0, 0), (4, 2), (0, 4), (2, 2)]
    for number, (outline, true_area) in enumerate([(ring, 12.0), (comb, 7.0 + 3 * 4.0), (dart, 4.0)]):
        for turn in (1, -1):
            for corner in ("{0}", "{0}/1", "{0}//1", "{0}/1/1"):
                rows = "".join(f"v {x} 7 {y}\n" for x, y in outline[::turn])
                words = " ".join(corner.format(i + 1) for i in range(len(outline)))
                text = f"{rows}vt 0 0\nvn 0 1 0\nf {words}\n"
                mesh = load_geometry(write(tmp_path, f"{number}.obj", text))
                assert area(mesh) == pytest.approx(true_area)
                a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
                sides = np.cross(b - a, c - a)[:, 1]
                assert (sides * turn <= 0).all(), "all triangles face the way the outline turns"


def test_gltf_scene_is_flattened_with_its_transforms(tmp_path):
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    move = trimesh.transformations.translation_matrix([5, 0, 0])
    turn = trimesh.transformations.rotation_matrix(np.pi / 2, [0, 0, 1])
    scene.graph.update(frame_from="world", frame_to="arm", matrix=turn)
    scene.add_geometry(box, geom_name="box", node_name="a", parent_node_name="arm", transform=move)
    scene.add_geometry(box, geom_name="box", node_name="b", transform=np.diag([-1.0, 2, 2, 1]))
    scene.export(tmp_path / "scene.glb")
    mesh = load_geometry(tmp_path / "scene.glb")
    assert len(mesh.faces) == 24
    high = mesh.vertices[mesh.vertices[:, 1] > 2]
    assert np.allclose(high.mean(axis=0), [0, 5, 0], atol=1e-6)
    mirrored = Mesh(mesh.vertices, mesh.faces[(mesh.vertices[mesh.faces][:, :, 1] < 2).all(axis=1)])
    a, b, c = (mirrored.vertices[mirrored.faces[:, k]] for k in range(3))
    assert (np.einsum("fk,fk->f", np.cross(b - a, c - a), a) > 0).all(), "a mirrored part must not turn inside out"


def test_obj_materials_colour_their_own_faces(tmp_path):
    write(tmp_path, "two.mtl", b"# caf\xe9\nnewmtl red\nKd 1 0 0\nnewmtl blue\nKd 0 0 1\n")
    mesh = load_geometry(
        write(tmp_path, "a.obj", f"mtllib two.mtl\n{TETRA}usemtl red\nf 1 2 3\nusemtl blue\nf 1 2 4\n")
    )
    by_height = {bool(mesh.vertices[face][:, 2].any()): i for i, face in enumerate(mesh.faces)}
    assert np.allclose(mesh.corner_colors[by_height[False]], [1, 0, 0])
    assert np.allclose(mesh.corner_colors[by_height[True]], [0, 0, 1])


def test_texture_is_read_at_the_point(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32], pixels[:32, 32:], pixels[32:, :32], pixels[32:, 32:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), 255
    Image.fromarray(pixels).save(tmp_path / "Quarters.PNG")
    write(tmp_path, "t.mtl", "newmtl paint\nKd 0 0 0\nmap_Kd C:\\somewhere\\quarters.png\n")
    square = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl paint\nf 1/1 2/2 3/3 4/4\n"
    mesh = load_geometry(write(tmp_path, "t.obj", "mtllib t.mtl\n" + square))
    wanted = {(0.25, 0.75): (1, 0, 0), (0.75, 0.75): (0, 1, 0), (0.25, 0.25): (0, 0, 1), (0.75, 0.25): (1, 1, 1)}
    for (x, y), color in wanted.items():
        for number, face in enumerate(mesh.faces):
            corners = np.vstack([mesh.vertices[face][:, :2].T, np.ones(3)])
            weights = np.linalg.solve(corners, [x, y, 1])
            if (weights >= -1e-9).all():
                assert np.allclose(mesh.colors_at(np.array([number]), weights[None]), color, atol=0.02)


@pytest.mark.parametrize("kind", ["ply", "glb", "obj"])
def test_vertex_colours(tmp_path, kind):
    made = trimesh.creation.box()
    made.visual.vertex_colors = np.tile([[0, 255, 0, 255]], (8, 1))
    made.export(tmp_path / f"green.{kind}")
    assert np.allclose(load_geometry(tmp_path / f"green.{kind}").corner_colors, [0, 1, 0], atol=0.01)


def test_face_colours_of_ply_and_vertex_colours_of_coff(tmp_path):
    made = trimesh.creation.box()
    made.visual.face_colors = np.tile([[255, 0, 0, 255]], (12, 1))
    made.export(tmp_path / "red.ply")
    assert np.allclose(load_geometry(tmp_path / "red.ply").corner_colors, [1, 0, 0], atol=0.01)
    text = "COFF\n3 1 0\n0 0 0 255 0 0 255\n1 0 0 0 255 0 255\n0 1 0 0 0 255 255\n3 0 1 2\n"
    assert np.allclose(load_geometry(write(tmp_path, "c.off", text)).corner_colors[0], np.eye(3))


def test_gltf_material_factor_is_shown_as_a_screen_would(tmp_path):
    made = trimesh.creation.box()
    made.visual = trimesh.visual.TextureVisuals(
        material=trimesh.visual.material.PBRMaterial(baseColorFactor=[0.5, 0.0, 1.0, 1.0])
    )
    made.export(tmp_path / "m.glb")
    assert np.allclose(load_geometry(tmp_path / "m.glb").corner_colors, [0.735, 0, 1], atol=0.01)


@pytest.mark.parametrize("kind", ["off", "obj", "ply", "stl", "glb"])
def test_a_mesh_without_colours_has_none(tmp_path, kind):
    trimesh.creation.box().export(tmp_path / f"plain.{kind}")
    assert load_geometry(tmp_path / f"plain.{kind}").corner_colors is None


def test_missing_materials_and_textures_cost_only_the_colours(tmp_path):
    path = write(tmp_path, "a.obj", f"mtllib gone.mtl\n{TETRA}usemtl red\nf 1 2 3\nf 1 2 4\n")
    assert load_geometry(path).corner_colors is None
    write(tmp_path, "t.mtl", "newmtl paint\nmap_Kd broken.png\n")
    write(tmp_path, "broken.png", b"\x89PNG\r\n\x1a\nnot really")
    text = "mtllib t.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl paint\nf 1/1 2/2 3/3\n"
    assert area(load_geometry(write(tmp_path, "b.obj", text))) == pytest.approx(0.5)


def test_map_coordinates_keep_their_millimetres(tmp_path):
    text = "".join(f"v {500000 + x:.3f} {4000000 + y:.3f} 0\n" for x, y in ((0, 0), (0.001, 0), (0, 0.001)))
    mesh = load_geometry(write(tmp_path, "far.obj", text + "f 1 2 3\n"))
    assert area(mesh) == pytest.approx(0.5e-6, rel=1e-3)


def test_vertices_without_faces_are_a_cloud(tmp_path):
    cloud = load_geometry(write(tmp_path, "p.obj", TETRA))
    assert isinstance(cloud, RawPoints) and len(cloud.points) == 4
    header = "ply\nformat ascii 1.0\nelement vertex 2\n" + "".join(
        f"property float {a}\n" for a in ("x", "y", "z", "nx", "ny", "nz")
    )
    header += "".join(f"property uchar {a}\n" for a in ("red", "green", "blue")) + "end_header\n"
    cloud = load_geometry(write(tmp_path, "p.ply", header + "0 0 0 0 0 1 255 0 0\n1 2 3 0 1 0 0 0 255\n"))
    assert cloud.points.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert cloud.normals.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert cloud.colors.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_threads_read_what_one_thread_reads(tmp_path):
    write(tmp_path, "two.mtl", "newmtl red\nKd 1 0 0\n")
    paths = [
        write(tmp_path, f"{i}.obj", f"mtllib two.mtl\n{TETRA}usemtl red\n" + "f 1 2 3\n" * (i + 1)) for i in range(12)
    ]
    found: dict[int, int] = {}

    def work(start: int) -> None:
        for i in range(start, 12, 4):
            found[i] = len(load_geometry(paths[i]).faces)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: i + 1 for i in range(12)}


def gltf(buffer_uri: str, **extra: object) -> str:
    accessor = {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}
    tree = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": buffer_uri, "byteLength": 36}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "accessors": [accessor],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0, "scale": [2, 2, 2]}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    return json.dumps(tree | extra)


def test_gltf_with_its_buffer_in_another_file(tmp_path):
    path = write(tmp_path, "a.gltf", gltf("tri angle.bin"))
    with pytest.raises(InputError, match=r"needs the file tri angle\.bin"):
        load_geometry(path)
    write(tmp_path, "tri angle.bin", struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0))
    assert area(load_geometry(path)) == pytest.approx(2.0)


def test_compressed_gltf_says_so(tmp_path):
    packed = gltf("data:application/octet-stream;base64,AAAA", extensionsRequired=["EXT_meshopt_compression"])
    with pytest.raises(InputError, match="compressed with EXT_meshopt_compression: export it without"):
        load_geometry(write(tmp_path, "a.gltf", packed))


def test_known_suffixes_are_all_readable():
    meshes, clouds = (
        ".off .obj .ply .stl .glb .gltf .dae .3mf .gz .zip",
        ".npy .npz .pcd .xyz .pts .txt .csv .asc .xyzrgb .xyzn",
    )
    assert set(KNOWN_SUFFIXES) == {*meshes.split(), *clouds.split()}


def test_a_picture_that_parts_share_is_kept_once_and_the_users_own_is_left_alone():
    picture = Image.new("RGBA", (1024, 1024), (255, 0, 0, 0))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture, alphaMode="BLEND")
    boxes = []
    for shift in range(3):
        box = trimesh.creation.box()
        box.apply_translation([2.0 * shift, 0, 0])
        box.visual = trimesh.visual.TextureVisuals(uv=np.zeros((8, 2)), material=material)
        boxes.append(box)
    mesh = from_scene(trimesh.Scene(boxes), "boxes")
    assert len(mesh.textures) == 1 and set(mesh.face_texture.tolist()) == {0} and len(mesh.faces) == 36
    assert picture.size == (1024, 1024), "shrunk is a copy"


def test_parts_are_numbered_by_their_own_pictures():
    colors, boxes = ((255, 0, 0), (0, 0, 255)), []
    for shift, color in enumerate(colors):
        box = trimesh.creation.box()
        box.apply_translation([2.0 * shift, 0, 0])
        picture = Image.new("RGB", (4, 4), color)
        box.visual = trimesh.visual.TextureVisuals(uv=np.zeros((8, 2)), image=picture)
        boxes.append(box)
    mesh = from_scene(trimesh.Scene([*boxes, trimesh.creation.box()]), "boxes")
    middle = mesh.colors_at(np.arange(36), np.full((36, 3), 1 / 3))
    left = mesh.vertices[mesh.faces].mean(1)[:, 0] < 1.0
    known = mesh.face_texture >= 0
    assert (middle[known & left] == [1, 0, 0]).all() and (middle[known & ~left] == [0, 0, 1]).all()
    assert (~known).sum() == 12 and np.allclose(middle[~known], 0.8, atol=1e-6)
