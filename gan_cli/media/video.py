"""Videos: uint8 [T, H, W, C], frames of one size; games see float32 in [-1, 1]."""

from gan_cli.media.medium import Medium, from_levels, to_levels

MEDIUM = Medium(("frames", "height", "width", "channels"), "videos", "uint8", from_levels, to_levels)
