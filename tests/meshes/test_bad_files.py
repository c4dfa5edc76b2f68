"""Every bad file: one sentence that names the file and the remedy, nothing on the terminal."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

import pointclip as pc
from pointclip.errors import InputError

NOISE = np.random.default_rng(0).bytes(5000)
PROSE = "hello world\nthis is no shape\n" * 20
PCD = "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 100\nHEIGHT 1\nPOINTS 100\nDATA {}\n"
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
SUFFIXES = ("off", "obj", "ply", "stl", "glb", "gltf", "npy", "npz", "xyz", "pts", "pcd")

BAD: dict[str, tuple[str | bytes, str]] = {
    "shape.step": ("abc", r"is a \.step file, which is not read: export it as \.stl or \.glb from the CAD program"),
    "shape.stpx": ("abc", r"unknown file type \.stpx.*Known: .*\.obj"),
    "shape.zip": ("abc", r"is damaged, encrypted or no \.zip file: pack it again"),
    "shape.obj.gz": ("abc", r"is damaged, encrypted or no \.gz file: pack it again"),
    "shape.3mf": ("abc", r"is damaged or no \.3mf file: export it again"),
    "shape.dae": ("<?xml version='1.0'?><COLLADA/>", r"is damaged, cut short or no \.dae file: export it again"),
    "shape.7z": ("abc", r"is a \.7z file, which is not read: unpack it first"),
    "shape.fbx": ("abc", r"is a \.fbx file, which is not read: open it in Blender and export it as \.glb"),
    "shape": ("abc", r"no file type.*Known: .*\.obj"),
    "nan.obj": ("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "NaN or infinite coordinates in 1 of 3 vertices"),
    "inf.off": ("OFF\n3 1 0\n0 0 inf\n1 0 0\n0 1 0\n3 0 1 2\n", "NaN or infinite"),
    "vast.obj": ("v 0 0 1e308\nv 1 0 0\nv 0 -1e308 0\nf 1 2 3\n", "NaN or infinite coordinates in 2 of 3 vertices"),
    "index.obj": (TRIANGLE + "f 1 2 7\n", "export it again"),
    "index.off": ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n", "export it again"),
    "letters.obj": (TRIANGLE + "f a b c\n", "export it again"),
    "flat.obj": ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "no face with an area"),
    "two.obj": ("v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n", "without three coordinates"),
    "nofaces.off": ("OFF\n3 0 0\n0 0 0\n1 0 0\n", "ends before the last"),
    "novertices.off": ("OFF\n0 0 0\n", "holds no points"),
    "cut.off": ("OFF\n3 2 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", "3 vertices and 2 faces and ends before"),
    "ragged.xyz": ("1 2 3\n4 5\n", "number of columns changed from 3 to 2"),
    "two.xyz": ("1 2\n4 5\n", r"shape \(2, 2\).*one row per point"),
    "comments.xyz": ("# nothing\n", "holds no points"),
    "molecule.xyz": ("3\nwater\nO 0 0 0\nH 1 0 0\nH 0 1 0\n", "not a list of points"),
    "short.pts": ("10\n1 2 3\n4 5 6\n", "announces 10 points and ends before the last, at 2"),
    "nan.xyz": ("1 2 3\nnan 2 3\n", "a single point and 1 row with NaN or infinite coordinates: a shape"),
    "inf.xyz": ("1 2 3\n1 2 3\n1 inf 3\nnan 1 1\n", "2 points at one place and 2 rows with NaN"),
    "one.xyz": ("1 2 3\n", "holds a single point: .*at least 2 different points"),
    "same.xyz": ("1 2 3\n" * 9, "9 points at one place"),
    "cut1.pcd": (PCD.format("ascii") + "1 2 3\n" * 50, "announces 100 points and ends before"),
    "cut2.pcd": (PCD.format("binary").encode() + NOISE[:500], "announces 100 points and ends before"),
    "cut3.pcd": (PCD.format("binary_compressed").encode() + struct.pack("<II", 900, 1200), "ends before"),
    "bad.pcd": (PCD.format("binary_compressed").encode() + struct.pack("<II", 900, 1200) + NOISE, "compressed body"),
    "odd.pcd": (PCD.format("weird"), "save it again as ascii or binary"),
    "noxyz.pcd": (PCD.replace("x y z", "x y q").format("ascii"), "no x y z"),
    "count.pcd": (PCD.replace("COUNT 1 1 1", "COUNT 1 1").format("ascii") + "1 2 3\n" * 100, "save it again"),
    "huge.pcd": (PCD.replace("100", "9" * 14).format("binary") + "abc", "ends before the last"),
    "scene.gltf": ('{"asset": {"version": "2.0"}}', "no faces and no points"),
    "list.gltf": ("[1, 2]", "export it again"),
}
BAD |= {f"empty.{k}": ("", "is empty") for k in SUFFIXES}
BAD |= {f"noise.{k}": (NOISE, "") for k in SUFFIXES}
BAD |= {f"prose.{k}": (PROSE, "") for k in SUFFIXES}


def check_refused(path: Path, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=message or None) as caught:
        pc.load(path)
    text = str(caught.value)
    assert str(path) in text, "the message names the file"
    assert ":" in text.replace(str(path), ""), "the message names a remedy"
    assert "\n" not in text and len(text.replace(str(path), "")) < 250
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", BAD)
def test_bad_file(tmp_path, capfd, name):
    content, message = BAD[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check_refused(path, message, capfd)


@pytest.mark.parametrize("kind", ["ply", "stl", "glb", "off"])
@pytest.mark.parametrize("share", [0.02, 0.6, 0.999])
def test_truncated_mesh(tmp_path, capfd, kind, share):
    made = trimesh.creation.icosphere(3).export(file_type=kind)
    data = made if isinstance(made, bytes) else made.encode()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: int(len(data) * share)])
    check_refused(path, "", capfd)


@pytest.mark.parametrize("kind", ["ply_ascii", "stl_ascii"])
def test_truncated_ascii_mesh(tmp_path, capfd, kind):
    box = trimesh.creation.box()
    data = box.export(file_type="ply", encoding="ascii") if kind == "ply_ascii" else box.export(file_type=kind)
    data = data if isinstance(data, bytes) else data.encode()
    path = tmp_path / f"cut.{kind[:3]}"
    path.write_bytes(data[: int(len(data) * 0.6)])
    check_refused(path, "", capfd)


def test_missing_file_and_folder(tmp_path, capfd):
    check_refused(tmp_path / "gone.obj", "does not exist: check the path", capfd)
    (tmp_path / "folder.obj").mkdir()
    check_refused(tmp_path / "folder.obj", "is a folder", capfd)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{1: 2}, None], dtype=object), "pickles can run code"),
        (np.zeros((10, 17)), r"shape \(10, 17\).*3 to 16 columns"),
        (np.zeros((2, 10, 3)), r"shape \(2, 10, 3\)"),
        (np.zeros(7), r"shape \(7,\)"),
        (np.array(["a", "b"]), "holds <U1 values"),
        (np.zeros((5, 3), complex), "complex128"),
        (np.zeros((5, 3), bool), "bool"),
        (np.zeros((0, 3)), "holds no points"),
        (np.full((5, 3), np.nan), "none is finite"),
    ],
)
def test_bad_array(tmp_path, capfd, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    check_refused(tmp_path / "a.npy", message, capfd)
    np.savez(tmp_path / "a.npz", points=array)
    check_refused(tmp_path / "a.npz", message, capfd)


def test_a_pickle_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path(tmp_path / "sprung").touch, ())

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError):
        pc.load(tmp_path / "a.npy")
    assert not (tmp_path / "sprung").exists()


def test_a_missing_texture_leaves_the_terminal_quiet(tmp_path):
    """Run apart: trimesh warns of the missing image, and pytest would catch the warning before the terminal does."""
    header = "ply\nformat ascii 1.0\ncomment TextureFile gone.png\nelement vertex 3\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz")
    header += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    (tmp_path / "a.ply").write_text(header + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    code = "import sys; from pointclip.meshes import load_geometry; load_geometry(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.ply")], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
