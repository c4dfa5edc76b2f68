"""The frozen towers."""
