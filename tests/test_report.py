"""Pictures: every tile where it belongs, and files that a viewer can open."""

import numpy as np
import pytest
from PIL import Image

from gan_cli.pictures import grids


def test_tiles_run_row_by_row_with_gaps():
    images = np.arange(1, 6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    picture = grids.tile(images)[..., 0]  # 5 images in 3 columns and 2 rows
    assert picture.shape == (2 * 3 + 1, 3 * 3 + 1)
    assert [picture[1, 1], picture[1, 4], picture[1, 7], picture[4, 1], picture[4, 4]] == [1, 2, 3, 4, 5]
    assert (picture[4:, 7:] == grids.PAPER).all()  # the place without an image
    assert (picture[0] == grids.PAPER).all()


@pytest.mark.parametrize(
    ("shape", "mode"),
    [((9, 8, 8, 1), "L"), ((4, 8, 8, 3), "RGB"), ((1, 64, 64, 4), "RGBA"), ((50, 2), "L"), ((50, 1), "L")],
)
def test_samples_of_every_kind_become_a_picture(tmp_path, shape, mode):
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 256, shape, np.uint8) if len(shape) == 4 else rng.uniform(-1, 1, shape)
    grids.save_png(tmp_path / "new" / "x.png", grids.sample_picture(samples))
    with Image.open(tmp_path / "new" / "x.png") as picture:
        assert picture.mode == mode
        assert len(set(np.asarray(picture).ravel())) > 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.png"]  # no temporary file


def test_points_of_one_value_are_drawn():
    assert np.asarray(grids.plot(np.ones((10, 2)))).min() == 0
