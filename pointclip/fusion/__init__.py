"""View features to logits."""
