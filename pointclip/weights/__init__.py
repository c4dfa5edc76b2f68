"""A model's name to its loaded towers."""
