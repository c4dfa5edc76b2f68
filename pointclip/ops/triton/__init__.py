"""Triton kernels of the same meaning."""
