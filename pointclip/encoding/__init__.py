"""A dataset's shapes to features, kept on disk."""
