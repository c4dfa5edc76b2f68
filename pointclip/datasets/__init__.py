"""Datasets: one file each, one small protocol (``labels``, ``len``, ``item(i)``, ``split``), one table of names."""

from pointclip.datasets.csv_table import PathTable
from pointclip.datasets.files import Files
from pointclip.datasets.folder import ClassFolder
from pointclip.datasets.indexed import Indexed, as_dataset
from pointclip.datasets.listed import Entry, ListedFiles, file_fingerprint
from pointclip.datasets.modelnet import open_modelnet
from pointclip.datasets.opening import open_dataset, opener
from pointclip.datasets.paths import Item, find_shapes, unread
from pointclip.datasets.protocol import UNREADABLE, Dataset, fingerprint_of, id_of, label_of
from pointclip.datasets.psb import ClassFile
from pointclip.datasets.scanobjectnn import ScanObjectNN
from pointclip.datasets.shapes import ShapePack
from pointclip.datasets.sweethome3d import FURNITURE_FOLDER, SweetHome3D, extract, read_rows
from pointclip.datasets.table import SOURCES, Source, dataset_names

__all__ = [
    "FURNITURE_FOLDER",
    "SOURCES",
    "UNREADABLE",
    "ClassFile",
    "ClassFolder",
    "Dataset",
    "Entry",
    "Files",
    "Indexed",
    "Item",
    "ListedFiles",
    "PathTable",
    "ScanObjectNN",
    "ShapePack",
    "Source",
    "SweetHome3D",
    "as_dataset",
    "dataset_names",
    "extract",
    "file_fingerprint",
    "find_shapes",
    "fingerprint_of",
    "id_of",
    "label_of",
    "open_dataset",
    "open_modelnet",
    "opener",
    "read_rows",
    "unread",
]
