"""MoCoGAN: a video is one content and a motion for each frame; a second discriminator sees single frames."""

from functools import partial

import jax
import jax.numpy as jnp
from pydantic import PositiveInt

from gan_cli import media
from gan_cli.errors import InputError
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.types import Adversarial, Array, Aux, Batch, Key, Ports, Spec


def mocogan(
    spec: Spec,
    motion: NetFactory,
    generator: NetFactory,
    discriminator: NetFactory,
    image_discriminator: NetFactory,
    *,
    loss: Adversarial,
    content: PositiveInt = 50,  # numbers of z_C, which is the same in all frames of a video
    movement: PositiveInt = 10,  # numbers of z_M, another in each frame, and of the noise that it is made of
) -> Game:
    """Frame t is G(z_C, z_M[t]), z_M = R(noise): the generator is one of images, and `motion` joins its frames.

    https://arxiv.org/abs/1707.04993, equations 5 to 7: one discriminator sees whole videos, the other a frame of each,
    drawn at random. Departures: videos have the data's length throughout; equation 8's categories of motion are left
    out. Raises InputError unless the data are videos.
    """
    if media.name_of(spec) != "video":
        raise InputError(f'[game] play = "mocogan" is for videos, and the data are {media.of(spec).many}')
    frames, *image = spec.shape

    def make(nets: Nets, batch: Batch) -> Array:
        """Videos [B, T, H, W, C], of `content` [B, content] and `motion` [B, T, movement], the noise."""
        moves, _ = nets["motion"](batch["motion"])  # [B, T, movement]
        same = jnp.broadcast_to(batch["content"][:, None], (len(moves), frames, content))
        codes = jnp.concatenate([same, moves], axis=-1)
        images, _ = nets["generator"](codes.reshape(-1, content + movement))  # [B T, H, W, C]
        return images.reshape(-1, frames, *images.shape[1:])

    def look(nets: Nets, batch: Batch) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Scores of real and fake videos, and of a frame of each: [B], or [B, h, w] for patches."""
        real, fake = batch["x"], make(nets, batch)
        stills = _frames(real, batch["real_frame"]), _frames(fake, batch["fake_frame"])
        videos = nets["discriminator"](real)[0], nets["discriminator"](fake)[0]
        return videos, (nets["image_discriminator"](stills[0])[0], nets["image_discriminator"](stills[1])[0])

    def discriminator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        videos, stills = look(nets, batch)
        report = {"accuracy": jnp.mean(videos[0] > videos[1]), "frame_accuracy": jnp.mean(stills[0] > stills[1])}
        return loss.discriminator(*videos) + loss.discriminator(*stills), report

    def generator_loss(nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        videos, stills = look(nets, batch)
        return loss.generator(*videos) + loss.generator(*stills), {}

    def draw(key: Key, n: int) -> dict[str, Array]:
        keys = jax.random.split(key, 4)
        return {
            "content": jax.random.normal(keys[0], (n, content)),
            "motion": jax.random.normal(keys[1], (n, frames, movement)),
            "real_frame": jax.random.randint(keys[2], (n,), 0, frames),
            "fake_frame": jax.random.randint(keys[3], (n,), 0, frames),
        }

    return Game(
        networks={
            "motion": partial(motion, Ports((frames, movement), (frames, movement))),
            "generator": partial(generator, Ports((content + movement,), tuple(image))),
            "discriminator": partial(discriminator, Ports(spec.shape, ())),
            "image_discriminator": partial(image_discriminator, Ports(tuple(image), ())),
        },
        turns=(
            Turn("discriminator", ("discriminator", "image_discriminator"), discriminator_loss),
            Turn("generator", ("motion", "generator"), generator_loss),
        ),
        draw=draw,
        asks={"sample": Ask(make)},
    )


def _frames(videos: Array, which: Array) -> Array:
    """One frame of each video [B, T, H, W, C]: [B, H, W, C]."""
    return jnp.take_along_axis(videos, which[:, None, None, None, None], axis=1)[:, 0]
