"""The shipped digit classifier: its file, its promises about images, and its accuracy on real digits."""

import hashlib
import zipfile
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from gan_cli.data.mnist import mnist
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.features import find_network as find_features
from gan_cli.features.digits import digits, load_weights, prepare
from gan_cli.metrics import find_metric
from gan_cli.metrics.collect import collect, evaluate

DATA = Path(__file__).parents[2] / "shared" / "data"
WEIGHTS = resources.files("gan_cli.features") / "digits.npz"

with_mnist = pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="needs real MNIST in ../shared/data/mnist")


def batches(images, size=500):
    return (images[start : start + size] for start in range(0, len(images), size))


@pytest.fixture(scope="module")
def mnist_test():
    """Real test images [10000, 28, 28, 1], labels, and one pass of the classifier over them."""
    source = mnist(Store(data_dir=DATA, download=False), split="test")
    examples = source.load(np.arange(source.size))
    return examples["x"], examples["y"], collect(digits(), batches(examples["x"]), keep=["logits"])


def test_weights_file_is_small_and_holds_no_pickle():
    data = WEIGHTS.read_bytes()
    assert len(data) < 1_000_000
    with zipfile.ZipFile(str(WEIGHTS)) as archive:
        headers = [archive.read(name)[:128] for name in archive.namelist()]
    assert headers
    assert all(header.startswith(b"\x93NUMPY") and b"'<f2'" in header for header in headers)
    assert sum(weight.size for weight in load_weights(data).values()) == 135_722


def test_hash_is_of_the_file_and_stable():
    features = digits()
    assert features.hash == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert features is digits()
    assert features is find_features("digits")


def test_unknown_feature_network_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'digits'"):
        find_features("digit")


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (8, 8, 1), (40, 24, 3), (64, 64, 1)])
def test_any_image_gives_features_and_logits(shape):
    features = digits()
    out = jax.eval_shape(features.apply, jax.ShapeDtypeStruct((5, *shape), jnp.float32))
    assert out["features"].shape == (5, features.dim)
    assert out["logits"].shape == (5, len(features.classes))
    assert {value.dtype for value in out.values()} == {jnp.dtype(jnp.float32)}


def test_other_channels_are_refused():
    with pytest.raises(InputError, match="not 4 channels"):
        digits().apply(jnp.zeros((1, 32, 32, 4)))


def test_28_pixels_are_padded_with_black():
    x = np.random.default_rng(0).uniform(-1, 1, (2, 28, 28, 1)).astype(np.float32)
    found = np.array(prepare(jnp.asarray(x)))
    np.testing.assert_array_equal(found[:, 2:-2, 2:-2], x)
    found[:, 2:-2, 2:-2] = -1
    assert (found == -1).all()


def test_other_sizes_are_resized_with_antialiasing():
    """A checkerboard of single pixels shrinks to grey; a constant stays itself; 32 pixels are untouched."""
    board = jnp.asarray(np.indices((64, 64)).sum(0) % 2 * 2.0 - 1)[None, :, :, None]
    assert abs(np.asarray(prepare(board))[0, 2:-2, 2:-2]).max() < 0.05
    np.testing.assert_allclose(prepare(jnp.full((1, 8, 8, 1), 0.3)), 0.3, atol=1e-6)
    same = jnp.linspace(-1, 1, 1024).reshape(1, 32, 32, 1)
    np.testing.assert_array_equal(prepare(same), same)


def test_rgb_is_luma():
    x = jnp.zeros((1, 32, 32, 3)).at[..., 1].set(1.0)
    np.testing.assert_allclose(prepare(x), 0.587, atol=1e-6)


def test_features_do_not_depend_on_the_batch():
    """Padding rows of a batch never reach the numbers: 3 images alone, and as the tail of a batch of 5."""
    images = np.random.default_rng(1).integers(0, 256, (8, 28, 28, 1), dtype=np.uint8)
    whole = collect(digits(), [images[:5], images[5:]], keep=["features"])
    alone = collect(digits(), [images[5:]], keep=["features"])
    np.testing.assert_allclose(whole.outputs["features"][5:], alone.outputs["features"], rtol=1e-4, atol=1e-4)


@with_mnist
def test_accuracy_on_mnist(mnist_test):
    _, labels, sample = mnist_test
    assert (sample.outputs["logits"].argmax(1) == labels).mean() >= 0.993


@with_mnist
def test_covariance_of_real_features_is_well_conditioned(mnist_test):
    """No dead feature: else fewer than 64 dimensions are measured, and a root of noise is added for each."""
    values = np.linalg.eigvalsh(mnist_test[2].statistics.covariance)
    assert values[0] > 1e-6 * values[-1]


@with_mnist
def test_real_images_set_the_ceiling(mnist_test):
    sample = mnist_test[2]
    values = evaluate([find_metric("inception-score"), find_metric("class-coverage")], None, sample)
    assert 9.5 < values["inception-score"] <= 10
    assert values["class-coverage"] == 10
    assert values["class-coverage-top-probability"] > 0.98


def distance(real, fake):
    return find_metric("fid").compute(real, collect(digits(), batches(fake)))["fid"]


@with_mnist
def test_fid_grows_with_harm(mnist_test):
    """Blur, noise, a missing class and collapse, each worse than real images of the other half."""
    order = np.random.default_rng(0).permutation(10_000)
    images, labels = (part[order] for part in mnist_test[:2])
    real, fake = collect(digits(), batches(images[:5000])), images[5000:7000]
    noise = np.random.default_rng(1).normal(0, 60, fake.shape)
    harmed = {
        "blur": uniform_filter(fake, (1, 4, 4, 1)),
        "noise": (fake + noise).clip(0, 255).astype(np.uint8),
        "missing class": images[5000:][labels[5000:] != 4][:2000],
        "collapse": np.repeat(fake[:20], 100, 0),
    }
    floor = distance(real, fake)
    found = {name: distance(real, x) for name, x in harmed.items()}
    assert min(found.values()) > 3 * floor, (floor, found)
