"""Point cloud files: numpy, text and PCD."""

import struct
from pathlib import Path

import numpy as np
import pytest

from pointclip.errors import InputError
from pointclip.meshes import load_geometry
from pointclip.meshes.pcd import unpack_lzf

POINTS = np.array([[0, 0, 0], [1, 2, 3], [-1.5, 0.25, 8]])
NORMALS = -np.eye(3)
BYTES = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 51]])


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(*blocks: np.ndarray, sep: str = " ") -> str:
    return "\n".join(sep.join(f"{value:g}" for value in row) for row in np.hstack(blocks)) + "\n"


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", ">f8", "i8", "u1"])
def test_npy_of_any_number_type(tmp_path, dtype):
    points = np.array([[0, 0, 0], [1, 2, 3], [4, 5, 6]]).astype(dtype)
    np.save(tmp_path / "a.npy", points)
    assert np.allclose(load_geometry(tmp_path / "a.npy").points, points)


def test_columns_are_told_apart(tmp_path):
    np.save(tmp_path / "n.npy", np.hstack([POINTS, NORMALS]))
    np.save(tmp_path / "c.npy", np.hstack([POINTS, BYTES]))
    np.save(tmp_path / "f.npy", np.hstack([POINTS, BYTES / 255]) * 1.0)
    np.save(tmp_path / "cn.npy", np.hstack([POINTS, BYTES, NORMALS]))
    np.save(tmp_path / "i.npy", np.hstack([POINTS, [[7], [8], [9]]]))
    assert load_geometry(tmp_path / "n.npy").normals.tolist() == NORMALS.tolist()
    assert load_geometry(tmp_path / "n.npy").colors is None
    for name in ("c.npy", "cn.npy"):
        assert np.allclose(load_geometry(tmp_path / name).colors, BYTES / 255)
    assert load_geometry(tmp_path / "cn.npy").normals.tolist() == NORMALS.tolist()
    plain = load_geometry(tmp_path / "i.npy")
    assert plain.points.tolist() == POINTS.tolist() and plain.normals is None and plain.colors is None


def test_npz_finds_points_normals_and_colours(tmp_path):
    np.savez(tmp_path / "a.npz", labels=np.arange(3), points=POINTS, normals=NORMALS, colors=BYTES.astype(np.uint8))
    cloud = load_geometry(tmp_path / "a.npz")
    assert cloud.points.tolist() == POINTS.tolist() and cloud.normals.tolist() == NORMALS.tolist()
    assert np.allclose(cloud.colors, BYTES / 255)
    np.savez(tmp_path / "b.npz", anything=POINTS)
    assert load_geometry(tmp_path / "b.npz").points.tolist() == POINTS.tolist()
    np.savez(tmp_path / "c.npz", one=POINTS, two=POINTS)
    with pytest.raises(InputError, match="holds the arrays one, two: name the one with the points 'points'"):
        load_geometry(tmp_path / "c.npz")


@pytest.mark.parametrize(
    "text",
    [
        rows(POINTS),
        rows(POINTS, sep=", "),
        rows(POINTS, sep="\t"),
        rows(POINTS, sep=";"),
        "# a comment\n\n" + rows(POINTS),
        "// X Y Z\n" + rows(POINTS),
        "x y z\n" + rows(POINTS),
        "3\n" + rows(POINTS),
        rows(POINTS).replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + rows(POINTS).encode(),
        rows(POINTS).rstrip("\n"),
    ],
)
def test_text_in_its_usual_spellings(tmp_path, text):
    for name in ("a.xyz", "a.pts"):
        assert load_geometry(write(tmp_path, name, text)).points.tolist() == POINTS.tolist()


def test_scanner_pts_with_intensity_and_colours(tmp_path):
    text = "3\n" + rows(POINTS, np.array([[-1200], [3], [4]]), BYTES)
    assert np.allclose(load_geometry(write(tmp_path, "scan.pts", text)).colors, BYTES / 255)


def pack_lzf(data: bytes) -> bytes:
    """Compress with literals and one kind of copy: enough to exercise both sides of the decoder."""
    out, at = bytearray(), 0
    while at < len(data):
        best = max(range(max(0, at - 64), at), key=lambda j: _match(data, j, at), default=at)
        length = _match(data, best, at) if best < at else 0
        if length >= 3:
            length = min(length, 264)
            distance = at - best - 1
            code = length - 2
            out += bytes([(min(code, 7) << 5) | (distance >> 8)])
            out += bytes([code - 7]) if code >= 7 else b""
            out += bytes([distance & 255])
            at += length
        else:
            out += bytes([0, data[at]])
            at += 1
    return bytes(out)


def _match(data: bytes, earlier: int, at: int) -> int:
    length = 0
    while at + length < len(data) and data[earlier + length] == data[at + length] and length < 264:
        length += 1
    return length


def pcd(storage: str, points: np.ndarray) -> bytes:
    """Write x y z, normal_x normal_y normal_z and packed rgb, with a padding field between."""
    count = len(points)
    header = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z _ normal_x normal_y normal_z rgb\nSIZE 4 4 4 1 4 4 4 4\n"
        f"TYPE F F F U F F F F\nCOUNT 1 1 1 4 1 1 1 1\nWIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n"
        f"POINTS {count}\nDATA {storage}\n"
    ).encode()
    rgb = np.array([(r << 16) | (g << 8) | b for r, g, b in BYTES.tolist()], np.uint32).view(np.float32)
    columns = [*points.T.astype("<f4"), np.zeros((count, 4), np.uint8), *NORMALS.T.astype("<f4"), rgb]
    if storage == "ascii":
        lines = [
            " ".join(str(v) for v in (*points[i], 0, 0, 0, 0, *NORMALS[i], repr(float(rgb[i])))) for i in range(count)
        ]
        return header + ("\n".join(lines) + "\n").encode()
    if storage == "binary":
        return header + b"".join(b"".join(column[i].tobytes() for column in columns) for i in range(count))
    plain = b"".join(column.tobytes() for column in columns)
    packed = pack_lzf(plain)
    return header + struct.pack("<II", len(packed), len(plain)) + packed


@pytest.mark.parametrize("storage", ["ascii", "binary", "binary_compressed"])
def test_pcd(tmp_path, storage):
    cloud = load_geometry(write(tmp_path, "a.pcd", pcd(storage, POINTS)))
    assert np.allclose(cloud.points, POINTS)
    assert np.allclose(cloud.normals, NORMALS)
    assert np.allclose(cloud.colors, BYTES / 255)


def test_missing_points_of_an_organised_cloud_are_dropped(tmp_path):
    holes = POINTS.copy()
    holes[1] = np.nan
    cloud = load_geometry(write(tmp_path, "a.pcd", pcd("binary", holes)))
    assert cloud.points.tolist() == POINTS[[0, 2]].tolist()
    assert np.allclose(cloud.colors, BYTES[[0, 2]] / 255) and np.allclose(cloud.normals, NORMALS[[0, 2]])


def test_lzf_copies_from_far_back_and_at_length():
    """One copy with both length bytes and a distance that needs all 13 bits, written down by hand."""
    start = np.random.default_rng(0).bytes(8192)
    literals = b"".join(bytes([31]) + start[at : at + 32] for at in range(0, 8192, 32))
    copy = bytes([(7 << 5) | (8191 >> 8), 300 - 2 - 7 - 100, 8191 & 255])
    assert unpack_lzf(memoryview(literals + copy), 8192 + 200) == start + start[:200]


def test_long_compressed_bodies_unpack(tmp_path):
    points = np.repeat(np.arange(3000.0)[:, None] // 40, 3, axis=1)
    header = (
        b"VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 3000\nHEIGHT 1\nPOINTS 3000\nDATA binary_compressed\n"
    )
    plain = points.T.astype("<f4").tobytes()
    packed = pack_lzf(plain)
    path = write(tmp_path, "a.pcd", header + struct.pack("<II", len(packed), len(plain)) + packed)
    assert len(packed) < len(plain)
    assert load_geometry(path).points.tolist() == points.tolist()


def test_column_names_that_begin_like_numbers(tmp_path):
    (tmp_path / "lidar.csv").write_text("X,Y,Z,Red,Green,Blue,Infrared\n" + "0,1,2,255,0,0,9\n1,2,3,255,0,0,8\n" * 3)
    cloud = load_geometry(tmp_path / "lidar.csv")
    assert len(cloud.points) == 6 and (cloud.colors == [1, 0, 0]).all()
