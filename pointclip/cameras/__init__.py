"""Cameras: rigs, files of cameras, and the projection of points into pictures."""
