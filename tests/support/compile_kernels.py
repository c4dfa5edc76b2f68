"""Compile every Triton kernel to machine code for a GPU that need not be here, and print what ops/test_triton asks."""

import re
import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from pointclip.ops.triton import rasterize as _triton_rasterize
from pointclip.ops.triton import splat as _triton_splat
from pointclip.ops.triton import splat_backward as _triton_splat_backward
from pointclip.ops.triton import weighted_mean as _triton_mean
from pointclip.ops.triton import zbuffer as _triton_zbuffer
from pointclip.ops.triton.points import LAUNCH

INTEGERS = ["num_views", "num_points", "num_pixels", "pixels_per_view", "height", "width"]
INTEGERS += ["num_faces", "points_per_view"]
STRIDES = ["stride_b", "stride_v", "stride_n", "stride_d"]
FLOATS = ["limit", "scale", "tau", "rim"]
TRIANGLES = {"LIMIT": 2.0**17, "STEPS": 256, "TRIANGLES": 8, "PIXELS": 64}
SPLAT = {"REACH": 3, "BLOCK": 64}
KERNELS = [
    ("zbuffer", _triton_zbuffer._compete, {"REACH": 0, "BLOCK": 128}),
    ("zbuffer", _triton_zbuffer._compete, {"REACH": 2, "BLOCK": 128}),
    ("decode", _triton_zbuffer._decode, {"PIXELS": 1024}),
    ("rasterize", _triton_rasterize._compete, {"PERSPECTIVE": True, **TRIANGLES}),
    ("rasterize", _triton_rasterize._compete, {"PERSPECTIVE": False, **TRIANGLES}),
    ("mean", _triton_mean._sum, {"BLOCK": 128}),
    ("mean_backward", _triton_mean._sum_backward, {"BLOCK": 128}),
    ("front", _triton_splat._find_front, SPLAT),
    ("splat", _triton_splat._accumulate, {"D": 0, "TILE": 1, **SPLAT}),
    ("splat", _triton_splat._accumulate, {"D": 3, "TILE": 4, **SPLAT}),
    ("splat_backward", _triton_splat_backward._collect, {"D": 0, "TILE": 1, **SPLAT}),
    ("splat_backward", _triton_splat_backward._collect, {"D": 3, "TILE": 4, **SPLAT}),
]


def ptx_of(kernel, constants: dict[str, int], dtype: str, capability: int) -> str:
    """Compile a kernel with every pointer of one dtype, but the integer buffers and the float32 front."""
    types = dict.fromkeys(kernel.arg_names, f"*{dtype}")
    types |= {"keys": "*i64", "faces": "*i64", "nearest": "*i32", "front": "*fp32"}
    types |= dict.fromkeys(INTEGERS, "i32") | dict.fromkeys(STRIDES, "i64") | dict.fromkeys(FLOATS, "fp32")
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else types[name] for name in names}
    source = ASTSource(kernel, signature, {(names.index(name),): value for name, value in constants.items()})
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=LAUNCH)
    if "cubin" not in compiled.asm:
        raise RuntimeError(f"no machine code for {kernel}")
    return compiled.asm["ptx"]


def main(capability: int) -> None:
    """Compile all kernels; sizes of 1 become constants, as Triton makes them at run time."""
    for dtype in ("fp32", "fp64"):
        for name, kernel, constants in KERNELS:
            ones = {size: 1 for size in INTEGERS if size in kernel.arg_names}
            ptx_of(kernel, constants | ones, dtype, capability)
            ptx = ptx_of(kernel, constants, dtype, capability)
            atomics = sorted(set(re.findall(r"(?:atom|red)\.global\.gpu\.relaxed\.(\S+)", ptx)))
            print(f"{name} {dtype} atomics: {','.join(atomics)}")  # noqa: T201
            print(f"{name} {dtype} fma: {len(re.findall('fma', ptx))}")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
