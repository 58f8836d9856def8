"""Images: uint8 [H, W, C], grey, RGB or RGBA; games see float32 in [-1, 1]."""

from gan_cli.media.medium import Medium, from_levels, to_levels

MEDIUM = Medium(("height", "width", "channels"), "images", "uint8", from_levels, to_levels)
