"""What every game of a generator and a discriminator has in common: `standard`, and the games that add terms to it."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from pydantic import Field

from gan_cli import media
from gan_cli.games.game import Ask, Game, Labels, Turn
from gan_cli.games.networks import Builder, NetFactory, Nets, features_shape
from gan_cli.types import CLASS, Adversarial, Array, Aux, Batch, Control, Key, Penalty, Ports, Spec

Prior = Literal["normal", "uniform"]
Share = Annotated[float, Field(ge=0, lt=0.5)]


class Seen(NamedTuple):
    """The players' outputs for a batch: pairs of a real and a fake, packed as the discriminator sees them."""

    fake: Array  # [B, ...]
    real_score: Array  # [B], or [B, h, w] of patches
    fake_score: Array
    real_features: Any  # [B, ...] the discriminator's; None where it shows none
    fake_features: Any


Term = Callable[[Nets, Batch, Seen], tuple[Array, Aux]]  # a term of a loss, and what it reports


class Addition(NamedTuple):
    """The parts that a game adds to the standard one: codes for G, heads on the discriminator's features, terms."""

    heads: Mapping[str, Builder]  # role -> network, trained in the discriminator's turn
    discriminator: Term  # added to its loss
    generator: Term
    infer: Callable[[Nets, Array], Mapping[str, Array]]  # as `Game.infer`
    codes: int = 0  # numbers at the generator's input beside z
    with_codes: Callable[[Batch], Array] = lambda batch: batch["z"]  # the generator's input [B, latent + codes]
    draw: Callable[[Key, int], dict[str, Array]] = lambda key, n: {}  # noqa: ARG005 - the codes, as `Game.draw`
    controls: Mapping[str, Control] = {}
    labels: Labels = "unused"  # as `Game.labels`


class Options(NamedTuple):
    """The rules of a game of two players; the factories of the games say what each option means."""

    loss: Adversarial
    latent: int
    prior: Prior
    discriminator_steps: int = 1
    thorough: bool = False
    penalties: tuple[Penalty, ...] = ()
    packing: int = 1
    label_noise: float = 0.0
    simultaneous: bool = False
    label: Literal["none", "generator", "both"] = "none"  # who is given the class of each example
    mismatched: float = 0.0


def play(
    options: Options,
    spec: Spec,
    generator: NetFactory,
    discriminator: NetFactory,
    addition: Addition | None = None,
) -> Game:
    """The game: a step is one update of the discriminator, and of the generator in every k-th.

    With labels, fakes have those of the reals they are paired with, in training; samples have classes drawn with the
    shares that they have among the data. Raises ValueError for options that contradict each other.
    """
    _check_options(options, spec)
    rules = _Rules(options, addition, spec)
    classes = len(spec.classes)
    generator_in = Ports(
        (options.latent + (addition.codes if addition else 0),), spec.shape, classes if options.label != "none" else 0
    )
    discriminator_in = Ports(
        (*spec.shape[:-1], options.packing * spec.shape[-1]), (), classes if options.label == "both" else 0
    )
    heads = addition.heads if addition else {}
    first, every = ("discriminator", *heads), options.discriminator_steps
    # Lazy penalties are turns of their own with the discriminator's optimiser. As an optimiser has one list of roles,
    # the heads are in it, too: their gradient is 0 there, but an optimiser with momentum moves them.
    lazy = [
        Turn(
            f"penalty_{steps}",
            first,
            partial(rules.penalty, [penalty for penalty in options.penalties if penalty.every == steps]),
            every=steps,
            optim="discriminator",
        )
        for steps in sorted({penalty.every for penalty in options.penalties} - {1})
    ]
    when = partial(_wgan_schedule, every=every) if options.thorough else None
    labels: Labels = "unused" if options.label == "none" else "all"
    controls = {CLASS: class_control(spec)} if options.label != "none" else {}
    return Game(
        networks={
            "generator": partial(generator, generator_in),
            "discriminator": partial(discriminator, discriminator_in),
            **heads,
        },
        turns=(
            Turn("discriminator", first, rules.discriminator_loss),
            *lazy,
            Turn("generator", ("generator",), rules.generator_loss, every=every, when=when),
        ),
        draw=rules.draw,
        asks={"sample": Ask(rules.generate)},
        controls={**controls, **(addition.controls if addition else {})},
        latent=options.latent,
        decode=None if controls or addition else decoder(options.prior),
        infer=addition.infer if addition else None,
        maps=rules.maps if options.packing == 1 else None,
        labels=addition.labels if addition and addition.labels != "unused" else labels,
        per_example=("discriminator",) if options.penalties else (),
        together=options.packing,
        simultaneous=options.simultaneous,
    )


def require_numbers(spec: Spec) -> None:
    """Raise ValueError for data whose numbers are names of words: what a generator makes of them has no gradient."""
    if why := media.of(spec).unlike:
        raise ValueError(f"the data are {media.of(spec).many}, and this game makes numbers: {why}")


def _check_options(options: Options, spec: Spec) -> None:
    """Raise ValueError for options that contradict each other or the data."""
    require_numbers(spec)
    if options.simultaneous and any(penalty.every > 1 for penalty in options.penalties):
        raise ValueError("a penalty with every > 1 is its own move; with simultaneous = true it must have every = 1")
    if options.thorough and options.discriminator_steps == 1:
        raise ValueError("thorough = true is for critics of several steps; discriminator_steps = 5 would do")
    if options.label == "both" and options.packing > 1:
        raise ValueError("a pack of examples has a label for each; with conditional = true, packing = 1 would do")
    if options.mismatched and options.label_noise:
        raise ValueError(
            "label_noise swaps pairs of a real and a fake, and mismatched fakes are in none: set one of them"
        )
    if options.mismatched and options.label != "both":
        raise ValueError("mismatched is a share of examples with a wrong label; it wants conditional = true")
    if options.mismatched and len(spec.classes) == 1:
        raise ValueError("mismatched wants at least two classes: the only one of these data is never wrong")


class _Rules:
    """The losses and draws of one game."""

    def __init__(self, options: Options, addition: Addition | None, spec: Spec):
        self.options = options
        self.addition = addition
        self.spec = spec
        self.packed = partial(pack, size=options.packing)

    def generate(self, nets: Nets, inputs: Batch) -> Array:
        """Fakes [B, ...] from the game's inputs, among which is the class where the generator is given one."""
        z = self.addition.with_codes(inputs) if self.addition else inputs["z"]
        label = () if self.options.label == "none" else (inputs[CLASS],)
        fake: Array = nets["generator"](z, *label)[0]
        return fake

    def fake(self, nets: Nets, batch: Batch) -> Array:
        """Packed fakes in training; they have the labels of the reals that they are paired with."""
        inputs = batch if self.options.label == "none" else {**batch, CLASS: batch["y"]}
        return self.packed(self.generate(nets, inputs))

    def label(self, batch: Batch) -> tuple[Array, ...]:
        """The discriminator's further argument beside examples: their labels, if it is given any."""
        return (batch["y"],) if self.options.label == "both" else ()

    def maps(self, nets: Nets, x: Array, inputs: Batch) -> Mapping[str, Array]:
        """What the discriminator shows of examples [B, ...] under their class, as `Game.maps`."""
        label = (inputs[CLASS],) if self.options.label == "both" else ()
        inside: Mapping[str, Array] = nets["discriminator"](x, *label)[1]
        return inside

    def look(self, nets: Nets, batch: Batch) -> Seen:
        """Play a batch: make fakes, and let the discriminator score reals and fakes."""
        fake = self.fake(nets, batch)
        real_score, real = nets["discriminator"](self.packed(batch["x"]), *self.label(batch))
        fake_score, faked = nets["discriminator"](fake, *self.label(batch))
        return Seen(fake, real_score, fake_score, real.get("features"), faked.get("features"))

    def discriminator_loss(self, nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        """The discriminator's loss: the adversarial one, the penalties of every step, and the game's term."""
        loss, packing = self.options.loss, self.options.packing
        seen = self.look(nets, batch)
        real_score, fake_score = seen.real_score, seen.fake_score
        report = {
            "real_score": real_score.mean(),
            "fake_score": fake_score.mean(),
            "accuracy": jnp.mean(real_score > fake_score),  # share of pairs that are told apart: 0.5 is guessing
        }
        if self.options.label_noise:
            seeds = batch["seed"][::packing]
            real_score, fake_score = _swap(real_score, fake_score, self.options.label_noise, seeds)
        value = loss.discriminator(real_score, fake_score)
        if share := self.options.mismatched:
            others = (batch["y"] + batch["shift"]) % len(self.spec.classes)  # each of them another class
            wrong, _ = nets.frozen("discriminator")(batch["x"], others)
            value = (1 - share) * value + share * loss.discriminator(real_score, wrong)
            report["wrong_score"] = wrong.mean()
        eager = [penalty for penalty in self.options.penalties if penalty.every == 1]
        if eager:
            report["penalty"], _ = self.penalty(eager, nets, batch, seen.fake)
            value += report["penalty"]
        if self.addition:
            more, reported = self.addition.discriminator(nets, batch, seen)
            value, report = value + more, {**report, **reported}
        return value, report

    def generator_loss(self, nets: Nets, batch: Batch) -> tuple[Array, Aux]:
        """The generator's loss: the adversarial one, and the term that the game adds."""
        seen = self.look(nets, batch)  # reals: dropped by the compiler where the loss ignores them
        value = self.options.loss.generator(seen.real_score, seen.fake_score)
        if not self.addition:
            return value, {}
        more, report = self.addition.generator(nets, batch, seen)
        return value + more, report

    def penalty(self, due: Sequence[Penalty], nets: Nets, batch: Batch, fake: Array | None = None) -> tuple[Array, Aux]:
        """The sum of the penalties, each as many times as steps pass between two of it, as the loss of a turn.

        Without `fake`, the packed fakes that a loss has made already, they are made here.
        """
        fake = self.fake(nets, batch) if fake is None else fake
        real = self.packed(batch["x"])
        keys = jax.vmap(jax.random.key)(batch["seed"][:: self.options.packing])  # [B]
        label, discriminator = self.label(batch), nets.frozen("discriminator")
        terms = [p.every * p.term(lambda x: discriminator(x, *label)[0], real, fake, keys) for p in due]
        return jnp.stack(terms).sum(), {}

    def draw(self, key: Key, n: int) -> dict[str, Array]:
        """The latents, and everything else that is random about an example: leaves [n, ...]."""
        options = self.options
        drawn = {"z": draw_latent(key, n, options.latent, options.prior)}
        if options.penalties or options.label_noise:
            # a seed for each example, so that penalties and noise are the same on any number of devices
            drawn["seed"] = jax.random.bits(jax.random.fold_in(key, 1), (n,))
        if options.label != "none":
            drawn[CLASS] = draw_classes(jax.random.fold_in(key, 2), n, self.spec)
        if options.mismatched:
            drawn["shift"] = jax.random.randint(jax.random.fold_in(key, 3), (n,), 1, len(self.spec.classes))
        if self.addition:
            drawn |= self.addition.draw(jax.random.fold_in(key, 4), n)
        return drawn


def head(network: NetFactory, discriminator: NetFactory, spec: Spec, outputs: int) -> Builder:
    """The builder of a network that maps the discriminator's features of an example to `outputs` numbers."""
    trunk = partial(discriminator, Ports(spec.shape, ()))
    return lambda rngs: network(Ports(features_shape(trunk, spec.shape), (outputs,)), rngs)


def class_control(spec: Spec) -> Control:
    """The label as a control of the generator; its entropy, in nats, is that of the classes among the data."""
    shares = [share for share in spec.shares if share] or [1 / max(1, len(spec.classes))] * len(spec.classes)
    return Control(len(spec.classes), spec.classes, entropy=-sum(share * math.log(share) for share in shares))


def draw_classes(key: Key, n: int, spec: Spec) -> Array:
    """n labels, int32 [n], drawn with the shares that the classes have among the data."""
    if not spec.shares:
        return jax.random.randint(key, (n,), 0, len(spec.classes))
    return jax.random.categorical(key, jnp.log(jnp.array(spec.shares)), shape=(n,)).astype(jnp.int32)


def pack(x: Array, size: int) -> Array:
    """Consecutive examples joined along the last axis, `size` at a time: [B, ..., C] -> [B / size, ..., size C].

    https://arxiv.org/abs/1712.04086, section 2.
    """
    if size == 1:
        return x
    packs = x.reshape(-1, size, *x.shape[1:])  # [B / size, size, ..., C]
    return jnp.concatenate([packs[:, i] for i in range(size)], axis=-1)


def draw_latent(key: Key, n: int, size: int, prior: Prior) -> Array:
    """z ~ N(0, 1) or U(-1, 1): [n, size]."""
    if prior == "uniform":
        return jax.random.uniform(key, (n, size), minval=-1.0, maxval=1.0)
    return jax.random.normal(key, (n, size))


def decoder(prior: Prior) -> Callable[[Nets, Array], Array]:
    """`Game.decode` of a generator that is given nothing but z: a standard normal u becomes the z of its quantile."""
    return lambda nets, u: nets["generator"](u if prior == "normal" else 2 * ndtr(u) - 1)[0]


def _swap(real_score: Array, fake_score: Array, share: float, seeds: Array) -> tuple[Array, Array]:
    """The scores of reals and fakes [B, ...], those of a random share of the pairs exchanged."""
    keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), 1))(seeds)  # apart from the penalties'
    swapped = jax.vmap(jax.random.uniform)(keys) < share  # [B]
    swapped = swapped.reshape(-1, *[1] * (real_score.ndim - 1))  # [B, ...]
    return jnp.where(swapped, fake_score, real_score), jnp.where(swapped, real_score, fake_score)


def _wgan_schedule(step: Array, every: int) -> Array:
    """Whether the generator moves at `step`: after 100 steps for its first 25 updates and every 500th, else `every`."""
    first = 25 * 100 + 475 * every  # steps before update 500
    at = (step - first) % (100 + 499 * every)  # since the last multiple of 500 updates
    early = jnp.where(step < 25 * 100, (step + 1) % 100 == 0, (step - 25 * 100 + 1) % every == 0)
    late = jnp.where(at < 100, at == 99, (at - 100 + 1) % every == 0)
    return jnp.where(step < first, early, late)
