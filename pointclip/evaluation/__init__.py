"""Judging a model on a dataset."""
