"""Contact sheet, page and window: everything shown, nothing cut, nothing mirrored, nothing fetched."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from support.solids import letter_f

import pointclip as pc
from pointclip import images, viz
from pointclip._base.optional import require
from pointclip.errors import BackendUnavailable, InputError, MissingDependency
from pointclip.evaluation.plots import plot_confusion
from pointclip.model import Prediction
from pointclip.viz import window
from pointclip.viz.sheet import TILE


def panel(num_views=3, **fields):
    shades = torch.linspace(0.2, 0.8, num_views).view(-1, 1, 1, 1).expand(-1, 3, 16, 16)
    return viz.Panel("depth", shades, tuple(f"view {k}" for k in range(num_views)), **fields)


def pixels(image):
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("num_views", [1, 3, 6, 10, 12, 13])
def test_every_view_is_on_the_sheet_once(num_views):
    sheet = pixels(viz.contact_sheet([panel(num_views)], "shape"))
    for shade in (torch.linspace(0.2, 0.8, num_views) * 255).round().int().tolist():
        area = ((sheet == shade).all(-1)).sum()
        assert TILE * TILE * 0.9 < area < TILE * TILE * 1.1


def ink(image):
    return (pixels(image) < 250).any(-1)


def test_nothing_runs_over_the_edge_of_the_sheet():
    """Long text is shortened; the outermost pixels stay white."""
    long = viz.Panel(
        "style " * 90, torch.zeros(2, 3, 8, 8), ("name " * 30,) * 2, ("label " * 30,) * 2, scores=(1.0, -1.0)
    )
    drawn = ink(viz.contact_sheet([long], "title " * 90, "foot " * 90))
    assert not drawn[:, :8].any() and not drawn[:, -8:].any() and not drawn[:6].any() and not drawn[-6:].any()


def test_captions_and_bars_are_drawn():
    plain, told = panel(), panel(captions=("chair 0.50",) * 3, scores=(1.0, -0.5, 0.0))
    assert ink(viz.contact_sheet([told])).sum() > ink(viz.contact_sheet([plain])).sum() + 100
    sheet = pixels(viz.contact_sheet([told])).astype(int)
    red, blue = sheet[..., 0] - sheet[..., 2] > 100, sheet[..., 2] - sheet[..., 0] > 100
    assert red.sum() > 1.8 * blue.sum() > 0  # a bar twice as long
    assert red.nonzero()[1].min() > 16 + TILE / 2 - 2  # to the right of the first picture's middle
    assert viz.contact_sheet([plain, plain]).height > 1.8 * viz.contact_sheet([plain]).height - 40


def test_a_picture_is_pasted_as_it_is():
    front = pc.views("pointclip-6").names.index("from +z")
    points = letter_f()
    picture = images.render(points[None], pc.views("pointclip-6"), images.style("depth"), TILE)[0, front : front + 1]
    sheet = pixels(viz.contact_sheet([viz.Panel("", picture, ("",))]))
    rows, _columns = (sheet[..., 0] < 240).nonzero()
    dark = sheet[rows.min() : rows.min() + TILE, 16 : 16 + TILE, 0]
    expected = (picture[0, 0] * 255).round().numpy()
    assert np.abs(dark[2:-2, 2:-2].astype(int) - expected[2:-2, 2:-2]).mean() < 2


def test_sheet_needs_panels_and_panels_fit_together(tmp_path):
    with pytest.raises(InputError, match="at least one panel"):
        viz.contact_sheet([])
    with pytest.raises(InputError, match="needs as many captions"):
        panel(3, captions=("a",))
    with pytest.raises(InputError, match="needs as many names"):
        viz.Panel("", torch.zeros(2, 3, 4, 4), ())
    with pytest.raises(InputError, match="no folder"):
        viz.write_sheet(tmp_path / "no" / "a.png", [panel()])
    viz.write_sheet(tmp_path / "a.png", [panel()])
    assert Image.open(tmp_path / "a.png").size == viz.contact_sheet([panel()]).size


def test_view_captions_name_each_views_best_label():
    logits = torch.tensor([[0.0, 5.0], [5.0, 0.0]])
    found = viz.view_captions(Prediction(("a",), (0.5,), logits.mean(0), logits, ("a", "b")))
    assert found == ("b 0.99", "a 0.99")


def cloud(num_points=400, name="chair"):
    return pc.PointCloud(letter_f(num_points), name=name)


def inside(html):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)[1])


def test_the_page_holds_everything_and_asks_for_nothing():
    rig = pc.views("ring-3")
    html = viz.page(cloud(), rig, [panel(captions=("chair 0.5",) * 3)], [("chair", 0.5)], torch.randn(400), "a note")
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:|//)""", html)
    assert "default-src 'none'" in html and "a note" in html
    data = inside(html)
    points = np.frombuffer(base64.b64decode(data["points"]), "<i2").reshape(-1, 3) / data["quantum"]
    assert np.abs(points - cloud().normalized().points.numpy()).max() < 1e-4
    assert [name for name, _ in data["paints"]] == ["plain", "occlusion"]
    assert all(len(base64.b64decode(packed)) == 1200 for _, packed in data["paints"])
    assert torch.allclose(torch.tensor(data["cameras"]).view(3, 3, 3), rig.rotations)
    picture = Image.open(io.BytesIO(base64.b64decode(data["panels"][0]["pictures"][1])))
    assert (pixels(picture) == round(0.5 * 255)).all()
    assert data["answer"] == [["chair", 0.5]]


def test_names_cannot_break_out_of_the_page():
    html = viz.page(
        cloud(name="</title><script>x()</script>"), pc.views("ring-1"), [panel(1, captions=("</script><b>",))]
    )
    assert "<script>x()" not in html and "</script><b>" not in html
    assert inside(html)["panels"][0]["captions"] == ["</script><b>"]


def test_large_clouds_are_thinned_on_the_page(tmp_path):
    points = torch.rand(40_000, 3)
    html = viz.page(pc.PointCloud(points, colors=points), pc.views("ring-1"), [panel(1)])
    assert len(base64.b64decode(inside(html)["points"])) == viz.page.__globals__["MAX_POINTS"] * 6
    viz.write_page(tmp_path / "p.html", cloud(), pc.views("ring-1"), [panel(1)])
    assert (tmp_path / "p.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("rig", ["ring-3", "pointclip-6", "realistic-10"])
def test_frusta_stand_where_the_cameras_are(rig):
    """The corners of the image plane project onto the corners of the picture, top left first."""
    rig = pc.views(rig)
    for number in range(rig.num_views):
        eye, corners = window.frustum(rig, number)
        uvz = pc.project(corners.float(), rig, (100, 100))[0, number]
        expected = torch.tensor([[0.0, 0], [100, 0], [100, 100], [0, 100]])
        torch.testing.assert_close(uvz[:, :2], expected, atol=1e-2, rtol=0)
        torch.testing.assert_close(uvz[:, 2], torch.full((4,), window.PLANE_DEPTH), atol=1e-4, rtol=0)
        at_eye = eye.float() @ rig.rotations[number].T + rig.translations[number]
        assert at_eye[:, 2].abs().max() < 1e-5


def open3d_or_skip():
    try:
        return require("open3d", extra="viz")
    except MissingDependency as reason:
        return pytest.skip(str(reason))


def test_pictures_face_their_cameras():
    """The triangles' normals point at the eye, so that from behind nothing is seen in a mirror."""
    open3d_or_skip()
    rig = pc.views("ring-3")
    parts = window.scene(cloud(), rig, panel(3))
    planes = [part for part in parts[2:] if hasattr(part, "triangle_normals")]
    assert len(planes) == 3
    for number, plane in enumerate(planes):
        plane.compute_triangle_normals()
        eye, corners = window.frustum(rig, number)
        toward = (eye[0] - corners.mean(0)).numpy()
        assert all(normal @ toward > 0 for normal in np.asarray(plane.triangle_normals))


def test_a_snapshot_shows_cloud_and_frusta(tmp_path):
    open3d_or_skip()
    try:
        viz.write_snapshot(tmp_path / "w.png", cloud(), pc.views("ring-3"), panel(3))
    except BackendUnavailable as reason:
        assert "xvfb-run" in str(reason)
        pytest.skip(str(reason))
    assert ink(Image.open(tmp_path / "w.png")).sum() > 2000


def test_no_display_is_one_sentence(monkeypatch):
    open3d_or_skip()
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BackendUnavailable, match="--html FILE"):
        viz.open_window(cloud(), pc.views("ring-3"), panel(3))


def test_without_open3d_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "open3d", None)
    with pytest.raises(MissingDependency, match="open3d"):
        viz.open_window(cloud(), pc.views("ring-3"), panel(3))


@pytest.mark.parametrize("classes", [2, 3, 14])
@pytest.mark.parametrize("failed", [0, 2])
def test_a_confusion_matrix_fills_its_picture_and_no_word_of_it_is_cut(tmp_path, classes, failed):
    table = np.append(np.eye(classes, dtype=int), [[failed]] + [[0]] * (classes - 1), axis=1)
    names = [f"quite a long name {k}" for k in range(classes)]
    plot_confusion(tmp_path / "c.png", table, names, "a dataset, its split, 1,234 shapes: accuracy 100.0 %")
    with Image.open(tmp_path / "c.png") as picture:
        ink = np.array(picture.convert("L")) < 128
    for lines in (ink.any(1), ink.any(0)):
        before, after = lines.argmax(), lines[::-1].argmax()
        assert 2 < before < 25 and 2 < after < 25, (before, after)


def test_the_window_shows_meshes_by_their_samples():
    pytest.importorskip("open3d", reason="needs open3d: pip install 'pointclip[viz]'")
    import trimesh

    from pointclip.viz.window import scene

    box = pc.PointCloud.from_trimesh(trimesh.creation.box(), num_points=70)
    rig = pc.views("ring-2")
    panel = viz.Panel("box", torch.zeros(2, 3, 8, 8), rig.names)
    assert len(scene(box, rig, panel)[0].points) == 70
