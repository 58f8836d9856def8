#!/usr/bin/env python3
"""Train the digit classifier that metrics look through, and write its weights file.

    python scripts/train_digit_classifier.py --data-dir ../shared/data

Trained on MNIST's 60,000 training images and the training half of scikit-learn's 8x8 digits, every image moved,
turned, sheared and scaled at random. Batch normalisation, averaged weights and dropout are for training only: what
is written is plain convolutions with their biases. Accuracies are measured on the file as written (float16).
About 10 minutes on 2 cores. The same seed on the same machine and JAX version gives the same file.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.scipy.ndimage import map_coordinates

from gan_cli.data.digits import digits
from gan_cli.data.idx import Split
from gan_cli.data.images import fit
from gan_cli.data.mnist import mnist
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.features.digits import CLASSES, DIM, SIDE, STAGES, Weights, forward, load_weights, prepare
from gan_cli.features.digits import __file__ as shipped

BATCH = 128
STEPS_A_CALL = 16  # in one `lax.scan`: on CPU, XLA maps its temporary memory anew in each call
SIDES = (8, 16, 32)  # pixels at which scikit-learn's 8x8 digits are shown
REPEATS = 2  # each of those appears this often in an epoch
PEAK_RATE = 3e-3
WEIGHT_DECAY = 1e-2
DROPOUT = 0.3  # of the features, before the logits
AVERAGE = 0.999  # decay a step of the averaged weights
EPSILON = 1e-5  # added to variances

Params = dict[str, jax.Array]
Data = tuple[np.ndarray, np.ndarray]  # images uint8 [N, H, W, 1], labels int32 [N]


def everything(source: Source) -> Data:
    examples = source.load(np.arange(source.size))
    return examples["x"], examples["y"]


@jax.jit
def prepared(images: jax.Array) -> jax.Array:
    """Images uint8 [N, H, W, 1] -> uint8 [N, 32, 32, 1], as the network sees them."""
    return eight_bit(prepare(images / 127.5 - 1))


def eight_bit(images: jax.Array) -> jax.Array:
    """Images in [-1, 1] -> uint8."""
    return jnp.round((images.clip(-1, 1) + 1) * 127.5).astype(jnp.uint8)


def enlarged(store: Store, split: Split, side: int) -> Data:
    """scikit-learn's digits, as a recipe with `size = side` and `resize = "squash"` has them."""
    x, y = everything(fit(digits(store, split=split), size=side, resize="squash"))
    return prepared(x), y


def training_data(store: Store) -> Data:
    x, y = everything(mnist(store, split="train"))
    parts = [(prepared(x), y)] + [enlarged(store, "train", side) for side in SIDES] * REPEATS
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def warped(image: jax.Array, key: jax.Array) -> jax.Array:
    """One image [32, 32] float in [-1, 1], turned up to 15°, sheared, scaled up to 15 % and moved up to 2.5 pixels."""
    angle, shear, scale_y, scale_x, shift_y, shift_x = jax.random.uniform(key, (6,), minval=-1) * jnp.array(
        [jnp.pi / 12, 0.2, 0.15, 0.15, 2.5, 2.5]
    )
    turn = jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])
    matrix = turn @ jnp.array([[1 + scale_y, shear], [0, 1 + scale_x]])
    centre = (SIDE - 1) / 2
    grid = jnp.mgrid[:SIDE, :SIDE].reshape(2, -1) - centre  # [2, 1024]
    places = matrix @ grid + jnp.array([shift_y, shift_x])[:, None] + centre
    return map_coordinates(image, places, order=1, cval=-1.0).reshape(SIDE, SIDE)


def initial(key: jax.Array) -> Params:
    """Kernels from N(0, 2 / inputs) and what batch normalisation learns."""
    shapes, inputs = {}, 1
    for stage, widths in enumerate(STAGES):
        for layer, width in enumerate(widths):
            shapes[f"conv{stage}{layer}"] = (3, 3, inputs, width)
            inputs = width
    shapes["hidden"] = (inputs * (SIDE >> len(STAGES)) ** 2, DIM)
    params: Params = {}
    for name, shape in shapes.items():
        key, draw = jax.random.split(key)
        params[f"{name}.kernel"] = jax.random.normal(draw, shape) * np.sqrt(2 / np.prod(shape[:-1]))
        params |= {f"{name}.scale": jnp.ones(shape[-1]), f"{name}.bias": jnp.zeros(shape[-1])}
    params["logits.kernel"] = jax.random.normal(key, (DIM, CLASSES)) * DIM**-0.5
    return params | {"logits.bias": jnp.zeros(CLASSES)}


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The 3x3 convolution of `digits.forward` on [C, H, W, B], as one matrix product: its gradients are fast on CPU."""
    _, height, width, batch = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = jnp.concatenate([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)])
    flat = kernel.reshape(-1, kernel.shape[-1]).T @ patches.reshape(len(patches), -1)  # [O, H W B]
    return flat.reshape(-1, height, width, batch)


def pool(x: jax.Array) -> jax.Array:
    """Maximum of each 2x2 block: [C, H, W, B] -> [C, H / 2, W / 2, B]."""
    channels, height, width, batch = x.shape
    return x.reshape(channels, height // 2, 2, width // 2, 2, batch).max((2, 4))


def network(params: Params, images: jax.Array, key: jax.Array) -> tuple[jax.Array, dict[str, tuple]]:
    """`digits.forward` as it is trained: images [B, 32, 32] -> logits [B, 10], mean and variance by layer."""
    moments = {}

    def normal(name: str, x: jax.Array) -> jax.Array:
        axes = tuple(range(1, x.ndim))
        mean, variance = moments[name] = x.mean(axes), x.var(axes)
        scale = params[f"{name}.scale"] * lax.rsqrt(variance + EPSILON)
        shape = (-1,) + (1,) * (x.ndim - 1)
        return jax.nn.relu(x * scale.reshape(shape) + (params[f"{name}.bias"] - mean * scale).reshape(shape))

    x = images.transpose(1, 2, 0)[None]  # [1, 32, 32, B]
    for stage, widths in enumerate(STAGES):
        for layer in range(len(widths)):
            name = f"conv{stage}{layer}"
            x = normal(name, convolve(x, params[f"{name}.kernel"]))
        x = pool(x)
    flat = x.transpose(1, 2, 0, 3).reshape(-1, len(images))  # [H W C, B], rows as in `digits.forward`
    features = normal("hidden", params["hidden.kernel"].T @ flat)  # [64, B]
    kept = jax.random.bernoulli(key, 1 - DROPOUT, features.shape)
    features = jnp.where(kept, features / (1 - DROPOUT), 0)
    return features.T @ params["logits.kernel"] + params["logits.bias"], moments


def loss(params: Params, images: jax.Array, labels: jax.Array, key: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(network(params, images, key)[0], labels).mean()


def batch_of(images: jax.Array, indices: jax.Array, key: jax.Array) -> jax.Array:
    """Warped images [B, 32, 32] float in [-1, 1]."""
    x = images[indices, :, :, 0] / 127.5 - 1
    return jax.vmap(warped)(x, jax.random.split(key, len(indices)))


def trainer(data: Data, optimiser: optax.GradientTransformation) -> Callable:
    """(state, indices [steps, B], keys [steps]) -> (state, losses [steps])."""
    images, labels = map(jnp.asarray, data)

    def step(state: tuple, draw: tuple) -> tuple:
        params, average, memory = state
        indices, key = draw
        warp_key, drop_key = jax.random.split(key)
        x = batch_of(images, indices, warp_key)
        value, gradient = jax.value_and_grad(loss)(params, x, labels[indices], drop_key)
        updates, memory = optimiser.update(gradient, memory, params)
        params = optax.apply_updates(params, updates)
        average = optax.incremental_update(params, average, 1 - AVERAGE)
        return (params, average, memory), value

    return jax.jit(lambda state, indices, keys: lax.scan(step, state, (indices, keys)))


def train(data: Data, epochs: int, seed: int) -> Params:
    """The averaged weights after `epochs` of Adam with a rate that rises for a tenth of them and falls to zero."""
    calls = len(data[0]) // (BATCH * STEPS_A_CALL)
    rate = optax.cosine_onecycle_schedule(epochs * calls * STEPS_A_CALL, PEAK_RATE, pct_start=0.1)
    optimiser = optax.adamw(rate, weight_decay=WEIGHT_DECAY, mask=lambda tree: {k: v.ndim > 1 for k, v in tree.items()})
    run = trainer(data, optimiser)
    key = jax.random.key(seed)
    params = initial(key)
    state = (params, params, optimiser.init(params))
    for epoch in range(epochs):
        began, losses = time.monotonic(), []
        order = np.random.default_rng((seed, epoch)).permutation(len(data[0]))
        for call in range(calls):
            size = BATCH * STEPS_A_CALL
            indices = order[call * size : (call + 1) * size].reshape(STEPS_A_CALL, BATCH)
            keys = jax.random.split(jax.random.fold_in(key, epoch * calls + call), STEPS_A_CALL)
            state, values = run(state, indices, keys)
            losses.append(values)
        mean = float(jnp.concatenate(losses).mean())
        print(f"epoch {epoch + 1}/{epochs}: loss {mean:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    return state[1]


def folded(params: Params, data: Data, seed: int, batches: int = 40) -> dict[str, np.ndarray]:
    """Weights for `digits.forward`: batch normalisation, with moments of `batches` of data, put into kernels."""
    images = jnp.asarray(data[0])

    @jax.jit
    def measure(indices: jax.Array, key: jax.Array) -> dict[str, tuple]:
        return network(params, batch_of(images, indices, key), key)[1]

    chosen = np.random.default_rng((seed, 1)).choice(len(images), (batches, 2 * BATCH), replace=False)
    keys = jax.random.split(jax.random.key(seed + 1), batches)
    moments = [measure(indices, key) for indices, key in zip(chosen, keys, strict=True)]
    weights = {"logits.kernel": params["logits.kernel"], "logits.bias": params["logits.bias"]}
    for name in moments[0]:
        mean, variance = (jnp.stack([found[name][part] for found in moments]).mean(0) for part in (0, 1))
        scale = params[f"{name}.scale"] * lax.rsqrt(variance + EPSILON)
        weights[f"{name}.kernel"] = params[f"{name}.kernel"] * scale
        weights[f"{name}.bias"] = params[f"{name}.bias"] - mean * scale
    return {name: np.asarray(weights[name], np.float16) for name in sorted(weights)}


def accuracy(weights: Weights, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of images (uint8, or float in [-1, 1]) [N, H, W, 1] whose most probable class is their label."""
    predict = jax.jit(lambda x: forward(weights, prepare(x))["logits"].argmax(1))
    x = images / np.float32(127.5) - 1 if images.dtype == np.uint8 else images
    right = [predict(x[i : i + 500]) == labels[i : i + 500] for i in range(0, len(x), 500)]
    return float(np.concatenate(right).mean())


def report(weights: Weights, store: Store, usps: Path | None) -> None:
    print(f"MNIST test: {accuracy(weights, *everything(mnist(store, split='test'))):.4%}")
    for side in SIDES:
        shown = accuracy(weights, *enlarged(store, "test", side))
        print(f"scikit-learn's digits, test half, at {side} pixels: {shown:.4%}")
    if usps:
        with np.load(usps, allow_pickle=False) as file:
            shown = accuracy(weights, file["x_test"][..., None].astype(np.float32), file["y_test"])
        print(f"USPS test, never trained on: {shown:.4%}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and write the digit classifier of gan_cli/features.")
    parser.add_argument("--data-dir", type=Path, help="folder with mnist/*.gz; else the cache, else downloaded")
    parser.add_argument("--usps", type=Path, help="npz with x_test [N, 16, 16] in [-1, 1], y_test: only reported on")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(shipped).with_name("digits.npz"))
    arguments = parser.parse_args()
    store = Store.from_environment(arguments.data_dir)
    data = training_data(store)
    weights = folded(train(data, arguments.epochs, arguments.seed), data, arguments.seed)
    np.savez(arguments.out, **weights)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")
    report(load_weights(arguments.out.read_bytes()), store, arguments.usps)


if __name__ == "__main__":
    main()
