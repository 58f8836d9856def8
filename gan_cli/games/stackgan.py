"""StackGAN: a small image of what is said, then a large one of the small one and of what is said."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from pydantic import NonNegativeFloat, PositiveInt

from gan_cli import media
from gan_cli.games.game import Ask, Game, Turn
from gan_cli.games.networks import NetFactory, Nets
from gan_cli.games.two_players import Prior, class_control, draw_classes, draw_latent
from gan_cli.games.vae import divergence, posterior
from gan_cli.types import CLASS, INPUT, Adversarial, Array, Aux, Batch, Key, Ports, Shape, Spec, X, Y

STAGES = ("", "second_")  # before the names of a stage's networks


def stackgan(
    spec: Spec,
    conditioning: NetFactory,
    generator: NetFactory,
    discriminator: NetFactory,
    second_conditioning: NetFactory,
    second_generator: NetFactory,
    second_discriminator: NetFactory,
    *,
    loss: Adversarial,
    latent: PositiveInt = 100,  # size of the latent z
    prior: Prior = "normal",  # z ~ N(0, 1) or U(-1, 1), independent components
    code: PositiveInt = 16,  # numbers that stand for what is said, drawn anew for each image
    factor: PositiveInt = 4,  # a side of the large image, in sides of the small one
    first: PositiveInt = 2000,  # steps of stage I; stage II then begins, and stage I stays as it is
    kl: NonNegativeFloat = 1.0,  # weight of KL(N(μ, σ²) || N(0, 1)) of the code
) -> Game:
    """Stage I: x₁ = G₁(z, c), c ~ N(μ(t), σ(t)²); stage II: x₂ = G₂(x₁, c'). Both D also see what is said of another.

    https://arxiv.org/abs/1612.03242. What is said, t, is `input`, a vector; without one, the class, one-hot. L_D is
    half of D's loss for fakes, half of that for real images with the t of their neighbour in the batch; where both say
    the same, the fake stands in. Departures: t itself enters D, as constant channels beside the image; so does c' at
    the second generator's input. Raises ValueError for images that cannot be divided so, and where nothing is said.
    """
    small = _small_shape(spec, factor)
    rules = _Rules(spec, loss, latent, prior, code, factor, kl)
    said = rules.said
    given = () if rules.is_class else (INPUT,)
    return Game(
        networks={
            "conditioning": partial(conditioning, Ports((said,), (2 * code,))),
            "generator": partial(generator, Ports((latent + code,), small)),
            "discriminator": partial(discriminator, Ports(_more(small, said), ())),
            "second_conditioning": partial(second_conditioning, Ports((said,), (2 * code,))),
            "second_generator": partial(second_generator, Ports(_more(small, code), spec.shape)),
            "second_discriminator": partial(second_discriminator, Ports(_more(spec.shape, said), ())),
        },
        turns=(*rules.turns(0, 0, first), *rules.turns(1, first, None)),
        draw=rules.draw,
        asks={
            "sample": Ask(lambda nets, batch: rules.make(nets, batch, 1)[0], given),
            "stage_1": Ask(rules.enlarged, given),
        },
        controls={CLASS: class_control(spec)} if rules.is_class else {},
        labels="all" if rules.is_class else "unused",
        together=2,
    )


class _Rules(NamedTuple):
    """The losses and draws of both stages, 0 and 1."""

    spec: Spec
    loss: Adversarial
    latent: int
    prior: Prior
    code: int
    factor: int
    kl: float

    @property
    def is_class(self) -> bool:
        """Whether the class is what is said of an example."""
        return INPUT not in self.spec.parts and bool(self.spec.classes)

    @property
    def said(self) -> int:
        """How many numbers are said of an example."""
        return len(self.spec.classes) if self.is_class else self.spec.part(INPUT).shape[0]

    def heard(self, batch: Batch) -> Array:
        """What is said of each example of a batch, or of each sample: [B, T]."""
        if not self.is_class:
            return batch[INPUT]
        return jax.nn.one_hot(batch[Y] if Y in batch else batch[CLASS], self.said)

    def encode(self, nets: Nets, batch: Batch, stage: int) -> tuple[Array, Array]:
        """The code c [B, C] and its divergence from the prior []."""
        q = posterior(nets[f"{STAGES[stage]}conditioning"](self.heard(batch))[0])
        return q.mean + jnp.exp(q.log_sd) * batch["noise"][:, stage], divergence(q).mean()

    def make(self, nets: Nets, batch: Batch, stage: int) -> tuple[Array, Array]:
        """The stage's images, and the divergence of its code."""
        c, unlike = self.encode(nets, batch, stage)
        if stage == 0:
            return nets["generator"](jnp.concatenate([batch["z"], c], axis=1))[0], unlike
        start = lax.stop_gradient(self.make(nets, batch, 0)[0])
        return nets["second_generator"](_beside(start, c))[0], unlike

    def enlarged(self, nets: Nets, batch: Batch) -> Array:
        """Stage I's images as large as those of stage II, by cubic interpolation."""
        made = self.make(nets, batch, 0)[0]
        return jax.image.resize(made, (len(made), *self.spec.shape), "cubic").clip(-1, 1)

    def look(self, nets: Nets, stage: int, x: Array, t: Array) -> Array:
        """The scores of images x of which t is said."""
        score: Array = nets[f"{STAGES[stage]}discriminator"](_beside(x, t))[0]
        return score

    def real(self, batch: Batch, stage: int) -> Array:
        """The examples, as large as those that the stage makes."""
        return batch[X] if stage else _reduced(batch[X], self.factor)

    def discriminator_loss(self, stage: int, nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        """D tells real images of which t is said from made ones, and from real ones of which something else is said."""
        x, t = self.real(batch, stage), self.heard(batch)
        others = t.reshape(-1, 2, self.said)[:, ::-1].reshape(-1, self.said)  # pairs of neighbours stay on one device
        right, fake = self.look(nets, stage, x, t), self.look(nets, stage, self.make(nets, batch, stage)[0], t)
        is_wrong = (others != t).any(axis=1).reshape(-1, *[1] * (right.ndim - 1))
        wrong = jnp.where(is_wrong, self.look(nets, stage, x, others), fake)
        report = {
            "real_score": right.mean(),
            "fake_score": fake.mean(),
            "accuracy": jnp.mean(right > fake),
            "matching": jnp.mean(right > wrong),
        }
        return (self.loss.discriminator(right, fake) + self.loss.discriminator(right, wrong)) / 2, report

    def generator_loss(self, stage: int, nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        """G and the conditioning: the adversarial loss and the divergence of the code."""
        made, unlike = self.make(nets, batch, stage)
        t = self.heard(batch)
        right, fake = self.look(nets, stage, self.real(batch, stage), t), self.look(nets, stage, made, t)
        return self.loss.generator(right, fake) + self.kl * unlike, {"kl": unlike}

    def turns(self, stage: int, start: int, stop: int | None) -> tuple[Turn, Turn]:
        """The two turns of a stage."""
        own = STAGES[stage]
        judge, maker = f"{own}discriminator", f"{own}generator"
        return (
            Turn(judge, (judge,), partial(self.discriminator_loss, stage), start=start, stop=stop),
            Turn(maker, (maker, f"{own}conditioning"), partial(self.generator_loss, stage), start=start, stop=stop),
        )

    def draw(self, key: Key, n: int) -> dict[str, Array]:
        """Latents, the noise of both codes, and classes where these are what is said: leaves [n, ...]."""
        of_z, of_noise, of_class = jax.random.split(key, 3)
        z = draw_latent(of_z, n, self.latent, self.prior)
        drawn = {"z": z, "noise": jax.random.normal(of_noise, (n, 2, self.code))}
        return {**drawn, CLASS: draw_classes(of_class, n, self.spec)} if self.is_class else drawn


def _small_shape(spec: Spec, factor: int) -> Shape:
    """The shape of stage I's images; raises ValueError where there is none, and where nothing is said."""
    if not media.is_image(spec) or spec.shape[0] % factor or spec.shape[1] % factor:
        raise ValueError(f"it makes images whose sides factor = {factor} divides, and these data are {spec.shape}")
    if not spec.classes or INPUT in spec.parts:
        said = spec.part(INPUT).shape
        if len(said) != 1:
            raise ValueError(f"what is said of an example is a vector, and input is {said}: embeddings, attributes")
    return (spec.shape[0] // factor, spec.shape[1] // factor, spec.shape[2])


def _more(shape: Shape, channels: int) -> Shape:
    return (*shape[:-1], shape[-1] + channels)


def _beside(x: Array, c: Array) -> Array:
    """Images [B, H, W, C] with a constant channel for each of the numbers [B, F]: [B, H, W, C + F]."""
    return jnp.concatenate([x, jnp.broadcast_to(c[:, None, None], (*x.shape[:3], c.shape[1]))], axis=-1)


def _reduced(x: Array, factor: int) -> Array:
    """Images with a fraction of the side, by the mean of pixels."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // factor, factor, width // factor, factor, channels).mean(axis=(2, 4))
