"""MoCoGAN by hand: what a video is made of, and what its two discriminators see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_cli.errors import InputError
from gan_cli.games.mocogan import mocogan
from gan_cli.types import Adversarial, Spec

T, CONTENT, MOVEMENT = 5, 2, 1
APART = Adversarial(lambda real, fake: (real - fake).mean(), lambda real, fake: -fake.mean())


def game(medium="video"):
    """Of videos whose frames are one pixel: the code itself."""
    parts = [lambda *_: None] * 4
    return mocogan(Spec((T, 1, 1, 3), medium=medium), *parts, loss=APART, content=CONTENT, movement=MOVEMENT)


NETS = {
    "motion": lambda noise: (2 * noise, {}),
    "generator": lambda code: (code[:, None, None, :], {}),
    "discriminator": lambda video: (video.sum((1, 2, 3, 4)), {}),
    "image_discriminator": lambda image: (10 * image.sum((1, 2, 3)), {}),
}


def test_a_video_has_one_content_and_a_motion_for_each_frame():
    drawn = game().draw(jax.random.key(0), 4)
    made = game().asks["sample"].do(NETS, drawn)[:, :, 0, 0]  # [4, T, 3]
    np.testing.assert_array_equal(made[..., :CONTENT], np.repeat(drawn["content"][:, None], T, axis=1))
    np.testing.assert_array_equal(made[..., CONTENT:], 2 * drawn["motion"])


def test_one_discriminator_sees_videos_and_the_other_a_frame_of_each():
    drawn = game().draw(jax.random.key(0), 4)
    real = jnp.asarray(np.random.default_rng(0).normal(size=(4, T, 1, 1, 3)), jnp.float32)
    fake = game().asks["sample"].do(NETS, drawn)
    loss, report = game().turn("discriminator").loss(NETS, {**drawn, "x": real})
    stills = [
        sum(float(10 * x[i, frame].sum()) for i, frame in enumerate(which)) / 4
        for x, which in ((real, drawn["real_frame"]), (fake, drawn["fake_frame"]))
    ]
    videos = [float(x.sum((1, 2, 3, 4)).mean()) for x in (real, fake)]
    np.testing.assert_allclose(loss, videos[0] - videos[1] + stills[0] - stills[1], rtol=1e-4)
    assert set(report) == {"accuracy", "frame_accuracy"}
    value, _ = game().turn("generator").loss(NETS, {**drawn, "x": real})
    np.testing.assert_allclose(value, -videos[1] - stills[1], rtol=1e-4)


def test_it_is_for_videos():
    with pytest.raises(InputError, match="is for videos, and the data are volumes"):
        game("volume")
