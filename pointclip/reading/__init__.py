"""Shapes read ahead of their use."""
