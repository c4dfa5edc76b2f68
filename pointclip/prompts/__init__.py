"""Class names to sentences."""
