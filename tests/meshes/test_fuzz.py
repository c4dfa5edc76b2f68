"""Damaged files of every type end in a finite shape or in one sentence, with nothing on the terminal."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh

from pointclip.errors import PointClipError
from pointclip.meshes import KNOWN_SUFFIXES, Mesh, load_geometry

EACH = 20
WORDS = (b"-1", b"0", b"nan", b"1e999", b"999999999999", b"f", b"\n", b"#", b"/", b"[", b"{", b"-0.5", b"\0", b",")
PCD = "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 42\nHEIGHT 1\nPOINTS 42\nDATA ascii\n"


def whole(suffix: str, folder: Path) -> bytes:
    ball = trimesh.creation.icosphere(1)
    rows = "".join("{:.5f} {:.5f} {:.5f}\n".format(*row) for row in ball.vertices)
    path = folder / f"whole{suffix}"
    if suffix == ".npy":
        np.save(path, ball.vertices)
    elif suffix == ".npz":
        np.savez(path, points=ball.vertices, normals=ball.vertices)
    elif suffix == ".pcd":
        path.write_text(PCD + rows)
    elif suffix in (".off", ".obj", ".ply", ".stl", ".glb", ".dae"):
        ball.export(path)
    elif suffix == ".3mf":
        trimesh.Scene(ball).export(path)
    elif suffix == ".gz":
        path.write_bytes(gzip.compress(ball.export(file_type="ply")))
    elif suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("balls/ball.obj", ball.export(file_type="obj"))
    elif suffix == ".gltf":
        trimesh.Scene(ball).export(path, embed_buffers=True)
    else:
        path.write_text(rows)
    return path.read_bytes()


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(random.integers(1, 5)):
        at = int(random.integers(min(len(changed), 400) if random.random() < 0.5 else len(changed) or 1) or 0)
        how = random.integers(5)
        if how == 0:
            changed[at : at + 1] = random.bytes(1)
        elif how == 1:
            del changed[at : at + int(random.integers(1, 100))]
        elif how == 2:
            changed[at:at] = WORDS[random.integers(len(WORDS))]
        elif how == 3:
            changed[at : at + 4] = random.bytes(4)
        elif random.random() < 0.3:
            del changed[at:]
    return bytes(changed) or b"\n"


@pytest.mark.parametrize("suffix", KNOWN_SUFFIXES)
def test_damaged_files(tmp_path, capfd, recwarn, suffix):
    data, random = whole(suffix, tmp_path), np.random.default_rng(0)
    assert load_geometry(tmp_path / f"whole{suffix}") is not None
    path = tmp_path / f"damaged{suffix}"
    for _ in range(EACH):
        path.write_bytes(damaged(data, random))
        try:
            shape = load_geometry(path)
        except PointClipError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            continue
        numbers = shape.vertices[shape.faces] if isinstance(shape, Mesh) else shape.points
        assert len(numbers) and np.isfinite(numbers).all()
    assert capfd.readouterr() == ("", "") and not [w.message for w in recwarn]
