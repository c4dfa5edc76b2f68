"""File types that are not read here: for each the way to one that is."""

_CAD = "export it as .stl or .glb from the CAD program, or with FreeCAD"
_MODEL = "open it in Blender and export it as .glb"
_SCAN = "open it in CloudCompare and save it as .ply"
_PACKED = "unpack it first"
_TENSOR = "save the points with numpy.save as .npy"
_CADS = (".step", ".stp", ".iges", ".igs", ".brep", ".sldprt", ".3dm", ".dwg", ".dxf", ".ifc")
_SCENES = (".fbx", ".3ds", ".blend", ".max", ".ma", ".mb", ".c4d", ".wrl", ".x3d", ".lwo")
_OTHERS = (".usd", ".usda", ".usdc", ".usdz", ".abc", ".amf", ".skp", ".vrm", ".mesh")
_SCANS = (".las", ".laz", ".e57", ".ptx", ".rcp", ".fls")
_FIELDS = (".vtk", ".vtp", ".vtu")
_SPLATS = (".splat", ".spz", ".ksplat")
UNREAD_SHAPES = frozenset((*_CADS, *_SCENES, *_OTHERS, *_SCANS, *_FIELDS, *_SPLATS))
WAYS = {
    **dict.fromkeys(_CADS, _CAD),
    **dict.fromkeys((*_SCENES, *_OTHERS), _MODEL),
    **dict.fromkeys((*_SCANS, ".bin"), _SCAN),
    **dict.fromkeys((".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz", ".zst"), _PACKED),
    **dict.fromkeys((".pt", ".pth", ".pkl", ".mat", ".h5", ".hdf5"), _TENSOR),
    **dict.fromkeys(_FIELDS, "open it in ParaView and save it as .ply or .stl"),
    **dict.fromkeys(_SPLATS, "convert it to a .ply of splats, as SuperSplat does"),
    ".mtl": "it holds the colours of an .obj file: name that one",
    ".json": "a list of class names goes to --labels-file",
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif", ".webp"), "a picture is no shape: give a mesh or a point cloud"),
}
