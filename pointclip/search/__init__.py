"""An index of shapes and its retrieval."""
