"""Pictures for people: a contact sheet, a page to turn the shape on, an Open3D window."""

from pointclip.viz.panels import Panel, view_captions
from pointclip.viz.sheet import contact_sheet, write_sheet
from pointclip.viz.turntable import page, write_page
from pointclip.viz.window import open_window, write_snapshot

__all__ = [
    "Panel",
    "contact_sheet",
    "open_window",
    "page",
    "view_captions",
    "write_page",
    "write_sheet",
    "write_snapshot",
]
