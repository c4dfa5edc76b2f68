"""Few-shot heads: one file a method."""
