"""File types that are not read here: for each the way to one that is."""

_CAD = "export it as .stl or .glb from the CAD program, or with FreeCAD"
_MODEL = "open it in Blender and export it as .glb"
_SCAN = "open it in CloudCompare and save it as .ply"
_PACKED = "unpack it first"
_TENSOR = "save the points with numpy.save as .npy"
WAYS = {
    **dict.fromkeys((".step", ".stp", ".iges", ".igs", ".brep", ".sldprt", ".3dm", ".dwg", ".dxf", ".ifc"), _CAD),
    **dict.fromkeys((".fbx", ".3ds", ".blend", ".max", ".ma", ".mb", ".c4d", ".wrl", ".x3d", ".lwo"), _MODEL),
    **dict.fromkeys((".usd", ".usda", ".usdc", ".usdz", ".abc", ".amf", ".skp", ".vrm", ".mesh"), _MODEL),
    **dict.fromkeys((".las", ".laz", ".e57", ".ptx", ".rcp", ".fls", ".bin"), _SCAN),
    **dict.fromkeys((".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz", ".zst"), _PACKED),
    **dict.fromkeys((".pt", ".pth", ".pkl", ".mat", ".h5", ".hdf5"), _TENSOR),
    **dict.fromkeys((".vtk", ".vtp", ".vtu"), "open it in ParaView and save it as .ply or .stl"),
    **dict.fromkeys((".splat", ".spz", ".ksplat"), "convert it to a .ply of splats, as SuperSplat does"),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".webp"), "a picture is no shape: give a mesh or a point cloud"),
}
