"""Series: float32 [T, F], F numbers at each of T times; games see them as they are."""

from gan_cli.media.medium import Medium, unchanged

MEDIUM = Medium(("times", "numbers"), "series", "float32", unchanged, unchanged)
