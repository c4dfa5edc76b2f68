"""Point clouds as scanners, spreadsheets and other programs save them: the right points, colours and notes."""

import numpy as np
import pytest

from pointclip.datasets.paths import find_shapes
from pointclip.errors import InputError
from pointclip.meshes import load_geometry

COUNT = 400
BALL = np.random.default_rng(0).normal(size=(COUNT, 3))
BALL /= np.linalg.norm(BALL, axis=1, keepdims=True)
COLORS = np.where(BALL[:, 1:2] > 0, [[255, 0, 0]], [[0, 0, 255]])
XYZ = ["{:.5f} {:.5f} {:.5f}".format(*row) for row in BALL]
RGB = ["{} {} {}".format(*row) for row in COLORS]


def lines(*columns: list[str] | str, head: str = "", sep: str = " ") -> str:
    rows = zip(*([column] * COUNT if isinstance(column, str) else column for column in columns), strict=True)
    return head + "\n".join(" ".join(row).replace(" ", sep) for row in rows) + "\n"


# name: (text, has colours, has normals, words of the only note)
TEXTS = {
    "comma.xyz": (lines(XYZ, sep=";").replace(".", ","), False, False, "commas read as decimal points"),
    "comma_blank.asc": (lines(XYZ).replace(".", ","), False, False, "commas read as decimal points"),
    "label.xyz": (lines(XYZ, RGB, "1"), True, False, "left out: column 7,"),
    "alpha.xyz": (lines(XYZ, RGB, "255"), True, False, "left out: column 7,"),
    "scalars.xyz": (lines(XYZ, "0.5", "2"), False, False, "left out: columns 4, 5,"),
    "intensity_label.xyz": (lines(XYZ, "0.7", RGB, "4"), True, False, "left out: columns 4, 8,"),
    "named.csv": (lines(XYZ, RGB, head="X,Y,Z,Red,Green,Blue\n", sep=","), True, False, ""),
    "shuffled.csv": (lines(RGB, "7", XYZ, head="R;G;B;Class;X;Y;Z\n", sep=";"), True, False, ""),
    "commented.asc": (lines(XYZ, "9", RGB, head="//X Y Z Scalar R G B\n"), True, False, ""),
    "easting.txt": (lines(XYZ, head="Easting Northing Height\n"), False, False, ""),
    "quoted.csv": (lines(XYZ, head='"","x","y","z"\n', sep=","), False, False, ""),
    "counted.xyz": (lines([str(i) for i in range(COUNT)], XYZ), False, False, "the first column counts the rows"),
    "tail.xyz": (lines(XYZ).replace("\n", " \r\n"), False, False, ""),
    "mac.xyz": (lines(XYZ).replace("\n", "\r"), False, False, ""),
    "trailing.csv": (lines(XYZ, sep=", ").replace("\n", ",\n"), False, False, ""),
    "few_missing.pts": (f"{COUNT + 20}\n" + lines(XYZ), False, False, "420 points are announced and 400 lie there"),
    "two_scans.pts": ("150\n" + "\n".join(XYZ[:150]) + "\n250\n" + "\n".join(XYZ[150:]) + "\n", False, False, ""),
    "fortran.xyz": (lines(["{:.6e} {:.6e} {:.6e}".format(*r).replace("e", "D") for r in BALL]), False, False, ""),
    "modelnet.txt": (lines(XYZ, XYZ, sep=","), False, True, ""),
    "cloud.xyzn": (lines(XYZ, XYZ), False, True, ""),
    "cloud.xyzrgb": (lines(XYZ, RGB), True, False, ""),
    "utf16.txt": (lines(XYZ).encode("utf-16"), False, False, ""),
}


def check_ball(cloud, colored: bool, with_normals: bool) -> None:
    assert np.allclose(cloud.points, BALL, atol=1e-4)
    assert (cloud.normals is not None) == with_normals
    if with_normals:
        assert np.allclose(cloud.normals, BALL, atol=1e-4)
    assert (cloud.colors is not None) == colored
    if colored:
        assert np.allclose(cloud.colors, COLORS / 255)


@pytest.mark.parametrize("name", TEXTS)
def test_text(tmp_path, name):
    text, colored, with_normals, note = TEXTS[name]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    cloud = load_geometry(tmp_path / name)
    check_ball(cloud, colored, with_normals)
    assert len(cloud.notes) == bool(note) and note in "".join(cloud.notes)


def test_windows_words_for_no_number_are_rows_left_out(tmp_path):
    (tmp_path / "a.xyz").write_text(lines(XYZ) + "-nan(ind) -nan(ind) -nan(ind)\n" * 3 + "1.#IND 1.#QNAN -1.#INF\n")
    cloud = load_geometry(tmp_path / "a.xyz")
    check_ball(cloud, False, False)
    assert cloud.notes == ("4 rows with NaN or infinite coordinates left out",)


def test_commas_between_and_inside_numbers_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text(lines(XYZ, sep=",").replace(".", ","))
    with pytest.raises(InputError, match="commas both inside its numbers and between them: export it with decimal"):
        load_geometry(tmp_path / "a.csv")


def structured() -> np.ndarray:
    table = np.zeros(COUNT, [*((axis, "<f4") for axis in "xyz"), *((c, "u1") for c in ("red", "green", "blue"))])
    table["x"], table["y"], table["z"] = BALL.T
    table["red"], table["green"], table["blue"] = COLORS.T
    return table


ARRAYS = {
    "transposed": (BALL.T, False, "rows and columns exchanged"),
    "batch": (BALL[None], False, ""),
    "five": (np.hstack([BALL, BALL[:, :2]]), False, "left out: columns 4, 5,"),
    "structured": (structured(), True, ""),
    "signed_colors": (np.hstack([BALL, COLORS / 127.5 - 1]), True, "colours read as numbers from -1 to 1"),
    "signed_scores": (np.hstack([BALL, BALL * 0.7]), False, "left out: columns 4, 5, 6,"),
    "pure_colors": (np.asfortranarray(np.hstack([BALL, COLORS / 255])), True, ""),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_npy(tmp_path, name):
    array, colored, note = ARRAYS[name]
    np.save(tmp_path / "a.npy", array)
    cloud = load_geometry(tmp_path / "a.npy")
    check_ball(cloud, colored, False)
    assert len(cloud.notes) == bool(note) and note in "".join(cloud.notes)


@pytest.mark.parametrize(
    ("named", "colored"),
    [
        ({"pc": BALL, "label": np.array(3)}, False),
        ({"points": BALL, "rgb": COLORS.astype("u1")}, True),
        ({"points": BALL, "colors": COLORS / 127.5 - 1}, True),
        ({"coord": BALL[None], "color": (COLORS / 255)[None]}, True),
        ({"arr_0": BALL, "arr_1": COLORS / 255}, True),
    ],
)
def test_npz(tmp_path, named, colored):
    np.savez(tmp_path / "a.npz", **named)
    check_ball(load_geometry(tmp_path / "a.npz"), colored, False)


def test_an_array_that_claims_more_rows_than_the_file_holds(tmp_path):
    np.save(tmp_path / "a.npy", BALL)
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data.replace(b"(400, 3), }" + b" " * 12, b"(4" + b"0" * 14 + b", 3), }"))
    with pytest.raises(InputError, match="cannot be read as"):
        load_geometry(tmp_path / "a.npy")


def test_few_bad_normals_cost_only_their_rows(tmp_path):
    normals = BALL.copy()
    normals[[5, 77]], normals[200] = 0, np.nan
    np.savez(tmp_path / "a.npz", points=BALL, normals=normals)
    cloud = load_geometry(tmp_path / "a.npz")
    assert len(cloud.points) == COUNT - 3 and np.allclose(cloud.normals, cloud.points)
    assert cloud.notes == ("3 points without a normal or a colour left out",)
    normals[:300] = 0
    np.savez(tmp_path / "a.npz", points=BALL, normals=normals)
    cloud = load_geometry(tmp_path / "a.npz")
    assert len(cloud.points) == COUNT and cloud.normals is None
    assert cloud.notes == ("normals left out: most are zero or not finite",)


def pcd(fields: str, types: str, rows: list[str]) -> str:
    count = len(fields.split())
    sizes = " ".join(["4"] * count)
    head = f"VERSION .7\nFIELDS {fields}\nSIZE {sizes}\nTYPE {types}\nWIDTH {len(rows)}\nHEIGHT 1\n"
    return f"{head}POINTS {len(rows)}\nDATA ascii\n" + "\n".join(rows) + "\n"


def test_pcd_colours_by_name_and_packed_with_holes(tmp_path, recwarn):
    rows = [f"{p} {c}" for p, c in zip(XYZ, RGB, strict=True)]
    (tmp_path / "a.pcd").write_text(pcd("x y z red green blue", "F F F U U U", rows))
    check_ball(load_geometry(tmp_path / "a.pcd"), True, False)
    packed = [str((r << 16) + b) for r, _, b in COLORS]
    packed[::10] = ["nan"] * len(packed[::10])
    rows = [f"{p} {c}" for p, c in zip(XYZ, packed, strict=True)]
    (tmp_path / "b.pcd").write_text(pcd("x y z rgb", "F F F U", rows))
    cloud = load_geometry(tmp_path / "b.pcd")
    assert len(cloud.points) == COUNT - 40 and not len(recwarn)
    assert np.allclose(cloud.colors[:, 0] > 0.5, cloud.points[:, 1] > 0)


def test_pcd_with_a_few_rows_less_than_announced(tmp_path):
    (tmp_path / "a.pcd").write_text(pcd("x y z", "F F F", XYZ).replace("POINTS 400", "POINTS 405"))
    cloud = load_geometry(tmp_path / "a.pcd")
    check_ball(cloud, False, False)
    assert cloud.notes == ("405 points are announced and 400 lie there: it may have been cut short",)


def test_folders_behind_links_are_searched_once(tmp_path):
    for folder in ("store/chair", "store/table", "set/chair", "set/__MACOSX"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("store/chair/a.xyz", "store/table/b.xyz", "set/c.xyz", "set/__MACOSX/d.xyz"):
        (tmp_path / name).write_text(lines(XYZ))
    (tmp_path / "set/chair/v1").symlink_to(tmp_path / "store/chair")
    (tmp_path / "set/table").symlink_to(tmp_path / "store/table")
    (tmp_path / "set/loop").symlink_to(".")
    (tmp_path / "set/same.xyz").symlink_to("c.xyz")
    found = [item.path for item in find_shapes([tmp_path / "set"])]
    assert found == [str(tmp_path / "set" / name) for name in ("c.xyz", "chair/v1/a.xyz", "table/b.xyz")]


def test_a_link_that_leads_nowhere_says_so(tmp_path):
    (tmp_path / "gone.obj").symlink_to("nowhere.obj")
    (item,) = find_shapes([tmp_path / "gone.obj"])
    assert "is a link to" in str(item.error) and "nowhere.obj, which does not exist: mend the link" in str(item.error)


def test_text_files_of_a_folder_count_when_they_hold_numbers(tmp_path):
    (tmp_path / "a.txt").write_text(lines(XYZ))
    (tmp_path / "labels.txt").write_text("chair\ntable\n")
    (tmp_path / "results.csv").write_text("file,label\na.txt,chair\n")
    assert [item.path for item in find_shapes([tmp_path])] == [str(tmp_path / "a.txt")]
