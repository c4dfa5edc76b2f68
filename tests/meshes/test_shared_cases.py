"""The scripts of ``shared/field_cases`` beside the repository: each file they write is read as its script says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.field_cases import needed, scripts, write

from pointclip.datasets.paths import find_shapes
from pointclip.errors import InputError
from pointclip.meshes import Mesh, RawPoints, load_geometry
from pointclip.points import load
from pointclip.prompts.sentences import read_labels

pytestmark = needed

Geometry = Mesh | RawPoints
Check = Callable[[str], None]


def surface(geometry: Geometry, count: int = 4_000) -> tuple[np.ndarray, np.ndarray | None]:
    """Give points of a shape with their colours."""
    if isinstance(geometry, RawPoints):
        return geometry.points, geometry.colors
    random = np.random.default_rng(0)
    a, b, c = (geometry.vertices[geometry.faces[:, k]] for k in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = random.choice(len(areas), count, p=areas / areas.sum())
    weights = random.dirichlet([1, 1, 1], count)
    return np.einsum("nk,nkd->nd", weights, geometry.vertices[geometry.faces[face]]), geometry.colors_at(face, weights)


def ball(count: int | None = None, colored: bool | None = False) -> Check:
    """Expect the unit sphere; with colours, red above and blue below."""

    def check(name: str) -> None:
        geometry = load_geometry(name)
        points, colors = surface(geometry)
        lengths = np.linalg.norm(points, axis=1)
        assert lengths.max() < 1.001 and lengths.min() > 0.9 and (np.ptp(points, axis=0) > 1.9).all()
        assert count is None or len(points) == count
        if colored is not None:
            assert (colors is not None) == colored
        if colored:
            clear = np.abs(points[:, 1]) > 0.3
            upper = (points[clear, 1] > 0)[:, None]
            assert np.allclose(colors[clear], np.where(upper, [[1, 0, 0]], [[0, 0, 1]]), atol=0.02)

    return check


def area(right: float, color: tuple[float, float, float] | None = None, tolerance: float = 1e-3) -> Check:
    """Expect a surface of this area, perhaps all of one colour."""

    def check(name: str) -> None:
        mesh = load_geometry(name)
        a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
        assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(right, rel=tolerance)
        if color is not None:
            assert np.allclose(surface(mesh)[1], color, atol=0.02)

    return check


def box(*size: float) -> Check:
    """Expect a bounding box of this size."""

    def check(name: str) -> None:
        points = surface(load_geometry(name), 40_000)[0]
        assert np.allclose(np.ptp(points, axis=0), size, rtol=0.03, atol=0.01)

    return check


def refused(words: str) -> Check:
    """Expect one sentence."""

    def check(name: str) -> None:
        with pytest.raises(InputError, match=words):
            load(name)

    return check


def hollow(name: str) -> None:
    points = surface(load_geometry(name))[0]
    assert not ((points[:, 0] > 0.05) & (points[:, 0] < 1.95) & (points[:, 1] > 1.05) & (points[:, 1] < 1.95)).any()


def labels(name: str) -> None:
    assert read_labels(name) == ("chair", "table", "sofa")


def normals(name: str) -> None:
    cloud = load_geometry(name)
    assert len(cloud.points) in (19_996, 20_000) and np.allclose(cloud.normals, cloud.points, atol=1e-5)


def levels(name: str) -> None:
    area(2)(name)
    assert set(surface(load_geometry(name))[0][:, 2].round(9)) == {0.0, 5.0}


def thinned(name: str) -> None:
    assert len(load(name)) == 20_000


def whole_set(name: str) -> None:
    found = [Path(item.path).as_posix() for item in find_shapes([name])]
    assert found == ["set/c.obj", "set/chair/v1/a.obj", "set/table/b.obj"]


def linked(name: str) -> None:
    assert [Path(item.path).as_posix() for item in find_shapes([name])] == ["linked/chair/one.obj"]


ELSEWHERE = "fbx 3ds step blend usdz las laz e57 vtk wrl x3d splat pt h5 jpg bin".split()
SQUARE, BALL = area(1), ball()
RED_SQUARE = area(1, (1, 0, 0))
RIGHT: dict[str, dict[str, Check]] = {
    "big_cloud": {"big_cloud.ply": thinned},
    "gltf_old": dict.fromkeys(("glb_trailing.glb", "glb_named.gltf", "gltf_named.glb", "gltf_basisu.gltf"), BALL),
    "gltf_parts_quantized": {"gltf_parts_quantized.gltf": box(1.6, 0.79, 1.0)},
    "gltf_spec_gloss": {
        "gltf_spec_gloss.gltf": area(12.0, (1, 0, 0), 0.05),
        "gltf_color0_float.gltf": ball(colored=True),
    },
    "gltf_variants": {
        **dict.fromkeys(("gltf_no_scene.gltf", "gltf_two_scenes.gltf", "gltf_percent_uri.gltf"), BALL),
        "gltf_sparse.gltf": box(2, 10, 2),
        "gltf_strip.gltf": area(2),
        "gltf_points.gltf": ball(162, colored=True),
        "gltf_lines.gltf": refused("holds no faces and no points"),
        "gltf_instancing.gltf": box(12, 2, 2),
    },
    "labels_files": dict.fromkeys(("labels.json", "labels_dict.json", "labels_one_line.txt"), labels),
    "mtl_paths": {
        f"mtl_{name}.obj": RED_SQUARE for name in ("blank_name", "options", "blank_material", "quoted", "plain", "tab")
    },
    "numpy_variants": {
        **dict.fromkeys(("t_3xN.npy", "batch_1xNx3.npy", "n5.npy", "pc_key.npz"), ball(2048)),
        **dict.fromkeys(
            ("structured.npy", "rgb_pm1.npy", "fortran.npy", "arr0_arr1.npz", "points_rgb.npz"), ball(2048, True)
        ),
        **dict.fromkeys(("object.npy", "openshape_dict.npy"), refused("save a plain array with np.save")),
        "kitti.bin": refused("save it as .ply"),
    },
    "obj_crlf_vertex_colours": {"obj_crlf_vertex_colours.obj": ball(colored=True)},
    "obj_freeform": {"obj_freeform.obj": refused("free-form surfaces, which are not read")},
    "obj_huge_ngon_tabs": {"obj_huge_ngon_tabs.obj": hollow},
    "obj_negative_continuation": {"obj_negative_continuation.obj": levels},
    "obj_odd": {
        **{
            f"odd_{name}.obj": SQUARE
            for name in "w faces_first empty_slash double_slash_end edge_face line_comment scientific".split()
        },
        "odd_nan_unused.obj": SQUARE,
        "odd_some_colours.obj": SQUARE,
        "odd_zero_index.obj": refused("corners count from 1"),
        "odd_decimal_comma.obj": area(2.25),
    },
    "obj_points_only_colours": {"obj_points_only_colours.obj": ball(3000, colored=True)},
    "off_binary": {"off_binary.off": BALL},
    "off_points": {"off_points.off": ball(2000)},
    "off_tokens": {"off_inline_comment.off": area(1.5), "off_face_colours.off": area(1.5, (1, 0, 0))},
    "paths": {
        **dict.fromkeys(("a.b.c.Obj", "~tilde.obj", "-dash.obj", "%20.obj", "chair [free] (1).obj", "link.obj"), BALL),
        **dict.fromkeys(("Stuhl gr\u00fc\u00df.obj", "\u6905\u5b50.OBJ", "emoji\U0001fa91.obj"), BALL),
        **dict.fromkeys(("chair.obj.gz", "chair.ply.gz", "chair.zip"), BALL),
        "dangling.obj": refused("is a link to .*, which does not exist: mend the link"),
        "linked": linked,
        **{f"a.{kind}": refused(rf"is a \.{kind} file, which is not read: ") for kind in ELSEWHERE},
        **{f"a.{kind}": refused("is damaged") for kind in ("dae", "3mf")},
    },
    "pcd_variants": {
        "pcd_organised_rgb.pcd": ball(2057, colored=True),
        "pcd_double.pcd": box(2, 2, 2),
        "pcd_nan_rgb_int.pcd": ball(2133, colored=True),
        "pcd_empty.pcd": refused("holds no points"),
        "pcd_semicolon_dim.pcd": ball(2400),
    },
    "ply_3dgs": {"ply_3dgs.ply": ball(6000, colored=True)},
    "ply_colour_names": {f"ply_colour_{name}.ply": ball(3000, colored=True) for name in ("rgb", "ushort", "float")},
    "ply_headers": {f"ply_{name}.ply": BALL for name in ("obj_info", "camera", "edges_first", "texcoord_face")},
    "ply_ngon_concave": {"ply_ngon_concave.ply": hollow},
    "ply_one_bad_normal": {"ply_one_bad_normal.ply": normals},
    "ply_tristrips": {"ply_tristrips.ply": area(10.4, tolerance=0.06)},
    "random_sphere": {f"ball_{count}.npy": ball(count) for count in (1024, 2048, 10_000, 20_000)},
    "stl_variants": {
        f"stl_{name}.stl": area(11.666)
        for name in "bom upper solid_header count_zero degenerate no_endsolid nan_facet".split()
    },
    "stl_words": {f"stl_{name}.stl": area(11.666) for name in ("bare_solid", "long_first", "one_line", "count_small")},
    "stl_z_up": {"stl_z_up.stl": box(440, 440, 1660)},
    "symlinks": {"set": whole_set},
    "text_variants": {
        **dict.fromkeys(
            "decimal_comma_semicolon.xyz xyz_two_scalars.xyz easting_header.xyz quoted_header.xyz index_first.xyz "
            "utf16.xyz crlf_tail.xyz trailing_comma.xyz pts_two_scans.pts scientific_D.xyz modelnet_normal.txt "
            "cloud.xyzn shape_without_suffix".split(),
            ball(1500),
        ),
        **dict.fromkeys(("xyz_rgb_label.xyz", "xyz_i_rgb_label.xyz", "named_header.xyz"), ball(1500, colored=True)),
        **dict.fromkeys(("ptx_like.pts", "nan_words.xyz"), ball(1400)),
    },
}


@pytest.mark.parametrize("script", RIGHT)
def test_every_file_is_read_as_its_script_says(tmp_path, monkeypatch, capfd, recwarn, script):
    monkeypatch.chdir(tmp_path)
    write(script)
    recwarn.clear()
    capfd.readouterr()
    wrong = {}
    for name, check in RIGHT[script].items():
        try:
            check(name)
        except (AssertionError, InputError, OSError) as error:
            wrong[name] = f"{type(error).__name__}: {error}"
    assert not wrong
    assert capfd.readouterr() == ("", "") and not [warning.message for warning in recwarn]


def test_no_script_is_left_out():
    assert scripts() == set(RIGHT)
