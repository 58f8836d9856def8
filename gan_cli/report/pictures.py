"""What `gan sample --out x.png` writes, for a page."""

import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from gan_cli.report.page_parts import Picture
from gan_cli.sampling.writing import Drawn, write_picture


def picture(drawn: Drawn, alt: str) -> Picture:
    """The picture of samples in memory; `alt`: what it shows, in words."""
    with tempfile.TemporaryDirectory(prefix="gan-") as folder:
        path = Path(folder) / "picture.png"
        write_picture(path, drawn)
        png = path.read_bytes()
    with Image.open(BytesIO(png)) as image:
        return Picture(png, *image.size, alt)
