"""The table of rigs, cameras at a distance, views from files and from other libraries' cameras."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

from pointclip.cameras.projection import project
from pointclip.cameras.rigs import Views as Cameras
from pointclip.cameras.rigs import euler_xyz, rig_names, views, write_views
from pointclip.errors import InputError

POINT = torch.tensor([[[0.25, 0.5, 0.125]]])


def pixel(rig, point=POINT, size=(100, 100), view=0):
    return project(point, rig, size)[0, view, 0].tolist()


def test_pointclip_10_is_the_six_with_four_corners_between():
    ten, six = views("pointclip-10"), views("pointclip-6")
    assert torch.equal(ten.rotations[[0, 1, 2, 3, 8, 9]], six.rotations)
    forward = ten.rotations[4:8, 2]
    assert ((forward[:, 1].abs() - 0.5).abs() < 1e-6).all() and (forward @ forward.T < 0.9).logical_or(
        torch.eye(4).bool()
    ).all()
    assert ten.translations[:, 2].unique().tolist() == pytest.approx([1.4])
    assert six.translations[:, 2].unique().tolist() == pytest.approx([1.6])


def test_realistic_10_stands_above_and_sees_upright():
    rig = views("realistic-10")
    assert not rig.perspective
    assert rig.names[:8] == tuple(f"yaw {yaw}, up 20" for yaw in (45, 135, 225, 315, 0, 90, 180, 270))
    camera = -rig.rotations[:, 2]
    heights = torch.asin(camera[:, 1]).rad2deg()
    torch.testing.assert_close(heights, torch.tensor([20.0] * 8 + [-78.0, 78.0]), atol=1e-3, rtol=0)
    above = project(torch.tensor([[[0.0, 0.3, 0.0]]]), rig, (100, 100))[0, :8, 0, 1]
    assert (above < 50).all()


@pytest.mark.parametrize("name", ["pointclip-10", "realistic-10"])
def test_no_paper_rig_mirrors(name):
    right, down, forward = views(name).rotations.unbind(1)
    torch.testing.assert_close(torch.linalg.cross(right, down), forward, atol=1e-5, rtol=0)


def test_every_named_rig_is_made():
    for name in rig_names():
        rig = views(name.replace("K", "7"))
        assert rig.num_views == len(set(rig.names)) == len(rig.names)


def test_distance_and_field_of_view():
    near = views("ring-6", distance=2.0, fov_deg=90)
    assert near.focal.tolist() == pytest.approx([1.0] * 6) and near.translations[:, 2].tolist() == [2.0] * 6
    framed = views("ring-6", distance=5.0)
    assert framed.focal[0].item() == pytest.approx(math.sqrt(24))
    assert views("ring-6", fov_deg=60).translations[0, 2].item() == pytest.approx(2.0)
    assert views("realistic-10", distance=4.0).focal[0] == pytest.approx(0.8)
    for wrong in ({"distance": 0.5}, {"distance": -1.0}, {"fov_deg": 180}, {"fov_deg": 0.0}):
        with pytest.raises(InputError):
            views("ring-6", **wrong)
    with pytest.raises(InputError, match="no field of view"):
        views("realistic-10", fov_deg=40)


def test_principal_point_shifts_the_picture():
    """Half a half side to the right and a tenth down: 25 and 5 pixels of 100."""
    rig = views("ring-1")
    moved = Cameras(rig.rotations, rig.translations, rig.focal, True, rig.names, principal=torch.tensor([[0.5, 0.1]]))
    (u, v, z), (u0, v0, z0) = pixel(moved), pixel(rig)
    assert (u - u0, v - v0, z - z0) == pytest.approx((25, 5, 0), abs=1e-4)
    assert moved.to("cpu").rotated(torch.eye(3)).principal is not None
    with pytest.raises(InputError, match="principal"):
        Cameras(rig.rotations, rig.translations, rig.focal, True, rig.names, principal=torch.zeros(2, 2))


def test_a_lens_must_be_positive():
    rig = views("ring-1")
    with pytest.raises(InputError, match="focal must be above 0"):
        Cameras(rig.rotations, rig.translations, -rig.focal, True, rig.names)


def written(tmp_path, document):
    path = tmp_path / "my rig.json"
    path.write_text(json.dumps(document) if not isinstance(document, str) else document)
    return path


def test_views_from_a_file_land_on_hand_computed_pixels(tmp_path):
    """Camera at z=2, 90 degrees, 100 px: (0.25, 0.5, 0.125) is 1.875 away, at 50 + 50 * 0.25/1.875, 50 - 50 *
    0.5/1.875."""
    spellings = [
        {"yaw_deg": 0, "up_deg": 0, "distance": 2, "fov_deg": 90},
        {"position": [0, 0, 2], "focal": 1.0},
        {"rotation": [[1, 0, 0], [0, -1, 0], [0, 0, -1]], "translation": [0, 0, 2], "focal": 1},
    ]
    rig = views(written(tmp_path, {"views": spellings}))
    assert rig.rig == "my rig" and rig.names == ("view 1", "view 2", "view 3")
    for view in range(3):
        assert pixel(rig, view=view) == pytest.approx([50 + 12.5 / 1.875, 50 - 25 / 1.875, 1.875], abs=1e-4)


def test_a_file_may_name_things_and_leave_things_out(tmp_path):
    document = {
        "rig": "two",
        "views": [{"name": "right", "yaw_deg": 90}, {"name": "top", "up_deg": 90, "principal": [0.1, 0]}],
    }
    rig = views(str(written(tmp_path, document)))
    assert (rig.rig, rig.names) == ("two", ("right", "top"))
    torch.testing.assert_close(-rig.rotations[:, 2], torch.tensor([[1.0, 0, 0], [0, 1, 0]]), atol=1e-6, rtol=0)
    assert rig.focal.tolist() == pytest.approx([math.sqrt(2.5**2 - 1)] * 2)
    parallel = views(written(tmp_path, {"perspective": False, "views": [{"yaw_deg": 0, "focal": 0.5}]}))
    assert pixel(parallel)[:2] == pytest.approx([50 + 50 * 0.5 * 0.25, 50 - 50 * 0.5 * 0.5])


@pytest.mark.parametrize("name", ["pointclip-10", "realistic-10", "orbit-5"])
def test_written_views_are_read_back_to_the_last_digit(name, tmp_path):
    rig = views(name)
    write_views(rig, tmp_path / "rig.json")
    back = views(str(tmp_path / "rig.json"))
    assert (back.rig, back.names, back.perspective) == (rig.rig, rig.names, rig.perspective)
    for field in ("rotations", "translations", "focal"):
        assert torch.equal(getattr(back, field), getattr(rig, field))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is no JSON"),
        ([], "list of views"),
        ({"views": []}, "list of views"),
        ({"view": [], "views": [{"yaw_deg": 0}]}, "did you mean 'views'"),
        ({"views": [{"yaw": 0}]}, "view 1 has an unknown key 'yaw': did you mean 'yaw_deg'"),
        ({"views": [{"yaw_deg": 0}, 5]}, "view 2 must be an object"),
        ({"views": [{"name": "x"}]}, "in one way"),
        ({"views": [{"yaw_deg": 0, "position": [0, 0, 2]}]}, "in one way"),
        ({"views": [{"yaw_deg": "left"}]}, "yaw_deg must be a number"),
        ({"views": [{"position": [0, 0]}]}, r"position must be numbers of shape \(3,\)"),
        ({"views": [{"position": [0, 0, 0]}]}, "away from the origin"),
        ({"views": [{"position": [0, 0, 0.5]}]}, "view 1: a camera at distance 0.5 stands inside"),
        ({"views": [{"yaw_deg": 0, "fov_deg": 190}]}, "between 0 and 180"),
        ({"views": [{"yaw_deg": 0, "fov_deg": 50, "focal": 1}]}, "give focal alone"),
        ({"views": [{"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]], "translation": [0, 0, 2], "focal": 1}]}, "mirror"),
        ({"views": [{"rotation": [[1, 0, 0], [0, -1, 0], [0, 0, -1]]}]}, "translation must be numbers"),
        ("[" * 100_000, "is no JSON"),
        ({"views": [{"yaw_deg": 10**400}]}, "yaw_deg must be a number, got 10{79}$"),
        ({"views": [{"yaw_deg": 0, "focal": 10**200}]}, "focal must be a number"),
        ({"views": [{"position": [0, 0, 10**400]}]}, "position must be numbers"),
        ({"views": [{"position": [0, 0, 1e300]}]}, "position must be numbers"),
        ({"perspective": "no", "views": [{"yaw_deg": 0}]}, "true or false"),
    ],
)
def test_wrong_files_say_what_is_wrong(document, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        views(written(tmp_path, document))
    assert "my rig.json" in str(caught.value)


def test_a_missing_file_says_so():
    with pytest.raises(InputError, match=r"gone\.json cannot be read"):
        views("gone.json")


def open3d_like(extrinsic, fx, fy, cx, cy, width=200, height=100):
    intrinsic = SimpleNamespace(width=width, height=height, intrinsic_matrix=[[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return SimpleNamespace(extrinsic=extrinsic, intrinsic=intrinsic)


FRONT = [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 2], [0, 0, 0, 1]]


def test_open3d_cameras_land_on_hand_computed_pixels():
    """fx = 80 px: u = 80 * 0.25/1.875 + 99.5 with pixel centres on whole numbers, so 100 where they lie on halves."""
    camera = open3d_like(FRONT, 80, 80, 99.5, 39.5)
    for given in (camera, [camera], SimpleNamespace(parameters=[camera])):
        rig = Cameras.from_open3d(given)
        assert pixel(rig, size=(100, 200)) == pytest.approx([100 + 20 / 1.875, 40 - 40 / 1.875, 1.875], abs=1e-4)
    with pytest.raises(InputError, match="square pixels"):
        Cameras.from_open3d(open3d_like(FRONT, 80, 70, 99.5, 49.5))
    with pytest.raises(InputError, match="expected Open3D"):
        Cameras.from_open3d("camera")


def test_real_open3d_cameras():
    o3d = pytest.importorskip("open3d", reason="open3d is not installed: pip install 'pointclip[viz]'")
    camera = o3d.camera.PinholeCameraParameters()
    camera.intrinsic = o3d.camera.PinholeCameraIntrinsic(200, 100, 80.0, 80.0, 99.5, 49.5)
    camera.extrinsic = FRONT
    assert pixel(Cameras.from_open3d(camera), size=(100, 200)) == pytest.approx(
        [100 + 20 / 1.875, 50 - 40 / 1.875, 1.875], abs=1e-4
    )
    trajectory = o3d.camera.PinholeCameraTrajectory()
    trajectory.parameters = [camera, camera]
    assert Cameras.from_open3d(trajectory).num_views == 2


def pytorch3d_like(kind, **fields):
    return type(kind, (SimpleNamespace,), {})(**fields)


# A camera 2 in front of the origin that looks back at it: x to the left is -x of the world, z away is -z.
ROW_VECTOR = {"R": torch.tensor([[[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]]]), "T": torch.tensor([[0.0, 0, 2]])}


def test_pytorch3d_cameras_land_on_hand_computed_pixels():
    fov = pytorch3d_like(
        "FoVPerspectiveCameras", **ROW_VECTOR, fov=torch.tensor([90.0]), aspect_ratio=1.0, degrees=True
    )
    expected = [50 + 12.5 / 1.875, 50 - 25 / 1.875, 1.875]
    assert pixel(Cameras.from_pytorch3d(fov)) == pytest.approx(expected, abs=1e-4)
    fov.fov, fov.degrees = torch.tensor([math.pi / 2]), False
    assert pixel(Cameras.from_pytorch3d(fov)) == pytest.approx(expected, abs=1e-4)
    ndc = pytorch3d_like(
        "PerspectiveCameras",
        **ROW_VECTOR,
        focal_length=torch.tensor([[1.0, 1.0]]),
        principal_point=torch.tensor([[0.2, -0.1]]),
        in_ndc=lambda: True,
    )
    assert pixel(Cameras.from_pytorch3d(ndc)) == pytest.approx([expected[0] - 10, expected[1] + 5, 1.875], abs=1e-4)


def test_pytorch3d_cameras_in_pixels():
    """A picture of 100 rows and 200 columns, focal 80 px, axis at (110, 40)."""
    camera = pytorch3d_like(
        "PerspectiveCameras",
        **ROW_VECTOR,
        focal_length=torch.tensor([80.0]),
        principal_point=torch.tensor([[110.0, 40.0]]),
        in_ndc=lambda: False,
        image_size=torch.tensor([[100, 200]]),
    )
    found = pixel(Cameras.from_pytorch3d(camera), size=(100, 200))
    assert found == pytest.approx([110 + 20 / 1.875, 40 - 40 / 1.875, 1.875], abs=1e-4)
    camera.image_size = None
    with pytest.raises(InputError, match="need image_size"):
        Cameras.from_pytorch3d(camera)


def test_pytorch3d_orthographic_cameras_and_rotations():
    camera = pytorch3d_like("OrthographicCameras", **ROW_VECTOR, focal_length=0.5, in_ndc=lambda: True)
    assert pixel(Cameras.from_pytorch3d(camera))[:2] == pytest.approx([50 + 25 * 0.25, 50 - 25 * 0.5])
    turn = euler_xyz((10, 20, 30))
    camera.R = turn.mT[None] @ ROW_VECTOR["R"]  # rows: the turned world before the camera
    by_hand = POINT @ turn.mT
    front = pytorch3d_like("OrthographicCameras", **ROW_VECTOR, focal_length=0.5, in_ndc=lambda: True)
    assert pixel(Cameras.from_pytorch3d(camera)) == pytest.approx(
        pixel(Cameras.from_pytorch3d(front), by_hand), abs=1e-4
    )
    with pytest.raises(InputError, match="neither focal_length nor fov"):
        Cameras.from_pytorch3d(pytorch3d_like("FoVOrthographicCameras", **ROW_VECTOR, fov=None))
    with pytest.raises(InputError, match="with R and T"):
        Cameras.from_pytorch3d(3)
    wide = pytorch3d_like("FoVPerspectiveCameras", **ROW_VECTOR, fov=60.0, aspect_ratio=1.5, degrees=True)
    with pytest.raises(InputError, match="square pixels"):
        Cameras.from_pytorch3d(wide)
