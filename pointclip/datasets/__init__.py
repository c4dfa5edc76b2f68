"""Datasets: one file each, one small protocol (``labels``, ``len``, ``item(i)``, ``split``)."""
