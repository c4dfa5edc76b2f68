"""Few-shot fitting on a user's own classes."""
