"""Vectors: float32 [D], of any scale; games see them as they are."""

from gan_cli.media.medium import Medium, unchanged

MEDIUM = Medium(("numbers",), "points", "float32", unchanged, unchanged, tile=None, overview=2000)
