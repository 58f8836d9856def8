"""Inception-v3: the reader of PyTorch's files, the import, the ways to resize, and features recorded from PyTorch.

tests/data holds files that PyTorch wrote and features that torch_fidelity, pytorch_fid and clean-fid computed, through
random weights that are reproducible bit for bit: scripts/parity/inception_torch.py made both.
"""

import hashlib
import importlib.util
import io
import json
import os
import struct
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_cli.errors import InputError
from gan_cli.features import find_network, inception, inception_net, inception_weights
from gan_cli.features.inception_blocks import shapes
from gan_cli.features.resize import bicubic, bilinear, resize, tensorflow
from gan_cli.features.torch_file import MAGIC, contents, parse_tensors
from gan_cli.metrics.collect import collect

DATA = Path(__file__).parent / "data"
PARITY = Path(__file__).parents[1] / "scripts" / "parity" / "inception_torch.py"
LAYOUTS = ("legacy", "zip")
HERE = Path("weights.pth")  # what messages call bytes that lie in no file


def load_parity():
    spec = importlib.util.spec_from_file_location("inception_torch", PARITY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parity = load_parity()


# A writer of PyTorch's layouts, in the opcodes of pickle's protocol 2


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def whole(value):
    return b"J" + struct.pack("<i", value)


def group(*parts):
    return b"(" + b"".join(parts) + b"t"


def call(name, *arguments):
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode() + group(*arguments) + b"R"


def pickled(body):
    return b"\x80\x02" + body + b"."


def storage(key, size, *, kind="FloatStorage"):
    """As in the legacy layout; the newer one lacks the None at the end."""
    return group(text("storage"), f"ctorch\n{kind}\n".encode(), text(key), text("cpu"), whole(size), b"N") + b"Q"


def tensor(key, size, shape, *, offset=0, strides=None, stored=None):
    steps = np.cumprod((1, *shape[:0:-1]))[::-1][: len(shape)].tolist() if strides is None else strides
    counts = (group(*map(whole, part)) for part in (shape, steps))
    hooks = call("collections.OrderedDict")
    return call("torch._utils._rebuild_tensor_v2", stored or storage(key, size), whole(offset), *counts, b"\x89", hooks)


def mapping(items):
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def legacy(tree, numbers):
    head = pickled(b"\x8a\x0a" + MAGIC.to_bytes(10, "little")) + pickled(whole(1001)) + pickled(b"}")
    keys = pickled(b"](" + b"".join(map(text, numbers)) + b"e")
    parts = (struct.pack("<q", value.size) + value.tobytes() for value in numbers.values())
    return b"".join((head, pickled(tree), keys, *parts))


def zipped(tree, numbers, *, compression=zipfile.ZIP_STORED, order=b"little"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled(tree))
        archive.writestr("archive/byteorder", order)
        for key, value in numbers.items():
            archive.writestr(f"archive/data/{key}", value.tobytes())
    return out.getvalue()


def written(arrays, layout=legacy):
    """A file of float32 arrays, a storage each."""
    items = {name: tensor(str(i), value.size, value.shape) for i, (name, value) in enumerate(arrays.items())}
    return layout(mapping(items), {str(i): np.float32(value) for i, value in enumerate(arrays.values())})


# The reader


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_that_pytorch_wrote_are_read(layout):
    path = DATA / f"small_{layout}.pth"
    found = parse_tensors(contents(path), path)
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = {
        "plain": base,
        "transposed": base.T,
        "part": base[1:, 1:3],
        "scalar": base[2, 3],
        "half": np.array([0.5, -2], np.float16),
        "double": np.array([[1 / 3]]),
        "count": np.array(7),
        "trained": np.array([1, 2], np.float32),
        "empty": np.zeros((0, 5), np.float32),
    }
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, strict=True)
        assert not found[name].flags.writeable or not found[name].size


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_cut_off_anywhere_are_refused(layout):
    data = (DATA / f"small_{layout}.pth").read_bytes()
    for end in range(len(data)):
        with pytest.raises(InputError, match=r"weights\.pth"):
            parse_tensors(data[:end], HERE)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_files_never_end_in_another_error(layout):
    """Random bytes in random places: refused, or read as something else."""
    data = (DATA / f"small_{layout}.pth").read_bytes()
    random, refused = np.random.default_rng(0), 0
    for _ in range(1500):
        harmed = bytearray(data)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            harmed[place] = random.integers(256)
        try:
            parse_tensors(bytes(harmed), HERE)
        except InputError:
            refused += 1
    assert refused > 500


FOUR = {"0": np.arange(4, dtype=np.float32)}
ONE = tensor("0", 4, (4,))


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (mapping({"a": call("os.system", text("touch harm"))}), "it asks for os.system"),
        (mapping({"a": call("builtins.eval", text("1"))}), "it asks for builtins.eval"),
        (mapping({"a": tensor("0", 4, (4,), stored=storage("0", 4, kind="BFloat16Storage"))}), "BFloat16Storage"),
        (mapping({"a": tensor("0", 4, (5,))}), r"'a' of shape \(5,\) reaches beyond its storage of 4"),
        (mapping({"a": tensor("0", 4, (2**30, 2**30))}), "reaches beyond"),
        (mapping({"a": tensor("0", 4, (2**30, 2**30), strides=(0, 0))}), "reaches beyond"),
        (mapping({"a": tensor("0", 4, (2, 2), strides=(3, 1))}), "reaches beyond"),
        (mapping({"a": tensor("0", 4, (1,), offset=4)}), "reaches beyond"),
        (mapping({"a": tensor("0", 4, (1,), offset=-1)}), "makes no sense at the opcode REDUCE"),
        (mapping({"a": tensor("0", 4, (4,), strides=(1, 1))}), "1 dimensions and 2 strides"),
        (mapping({"a": tensor("0", 2**31 - 1, (1,))}), "2147483647 numbers"),
        (mapping({"a": tensor("0", -4, (1,))}), "makes no sense at the opcode BINPERSID"),
        (mapping({"a": ONE, "b": whole(3)}), "'b' in it is a int, not a tensor"),
        (group(ONE), "holds a tuple"),
        (ONE + b"0" + mapping({"a": ONE}), "opcode POP, which no file"),
        (b"(" * 200_001, "more than 200,000 opcodes"),
        (b"t", "makes no sense at the opcode TUPLE"),
        (b"h\x07", "makes no sense at the opcode BINGET"),
        (b"}]]s", "makes no sense at the opcode SETITEM"),
    ],
)
@pytest.mark.parametrize("layout", [legacy, zipped])
def test_whatever_is_no_plain_tensor_is_refused(tree, message, layout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"(?s)weights.pth: .*{message}"):
        parse_tensors(layout(tree, FOUR), HERE)
    assert not list(tmp_path.iterdir())


def test_a_storage_cannot_be_two_things():
    double = tensor("0", 4, (4,), stored=storage("0", 4, kind="LongStorage"))
    with pytest.raises(InputError, match=r"data/0 has 16 bytes instead of 4 numbers int64"):
        parse_tensors(zipped(mapping({"a": ONE, "b": double}), FOUR), HERE)


def test_python_2_wrote_dictionaries_as_pairs_and_strings_as_bytes():
    name = b"U\x01a"
    tree = call("collections.OrderedDict", b"](" + b"](" + name + ONE + b"e" + b"e")
    np.testing.assert_array_equal(parse_tensors(legacy(tree, FOUR), HERE)["a"], FOUR["0"])


def test_memo_and_parameters():
    """`p`, put into the memo and taken out of it, is the same tensor, once as a parameter."""
    items = text("a") + ONE + b"q\x05" + text("b") + call("torch._utils._rebuild_parameter", b"h\x05", b"\x88", b"}")
    found = parse_tensors(legacy(b"}(" + items + b"u", FOUR), HERE)
    np.testing.assert_array_equal(found["a"], found["b"], strict=True)


def test_zip_archives_that_unpack_to_more_than_they_are_long_are_refused():
    tree = mapping({"a": ONE})
    with pytest.raises(InputError, match="compressed"):
        parse_tensors(zipped(tree, FOUR, compression=zipfile.ZIP_DEFLATED), HERE)
    data = zipped(tree, {"0": np.zeros(100, np.float32)})
    entry = data[data.index(b"PK\x01\x02") : data.index(b"PK\x05\x06")]
    end = bytearray(data[data.index(b"PK\x05\x06") :])
    count, size = struct.unpack("<H", end[10:12])[0] * 50, len(entry) * 50
    end[8:16] = struct.pack("<HHI", count, count, size)
    with pytest.raises(InputError, match="unpacks to more than the file is long"):
        parse_tensors(data[: data.index(b"PK\x01\x02")] + entry * 50 + bytes(end), HERE)


def test_other_files_are_told_apart(tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "hello")
    (tmp_path / "other.zip").write_bytes(archive.getvalue())
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name, message in (
        ("other.zip", "without data.pkl"),
        ("photo.png", "not a file of weights"),
        ("none.pth", "cannot be read: No such file"),
        (".", "cannot be read: Is a directory"),
    ):
        with pytest.raises(InputError, match=message):
            parse_tensors(contents(tmp_path / name), tmp_path / name)


def test_big_endian_archives_are_turned():
    numbers = {"0": np.arange(4, dtype=">f4")}
    found = parse_tensors(zipped(mapping({"a": ONE}), numbers, order=b"big"), HERE)
    np.testing.assert_array_equal(found["a"], FOUR["0"], strict=True)


# The import


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of this module's own, with nothing in it at first."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ["GAN_CACHE_DIR"]
    os.environ["GAN_CACHE_DIR"] = str(folder)
    yield folder
    os.environ["GAN_CACHE_DIR"] = before


@pytest.fixture(scope="module")
def weights():
    """Random weights by PyTorch's names."""
    return {name: parity.random_array(name, shape) for name, shape in shapes().items()}


@pytest.fixture(scope="module")
def imported(weights, cache):
    """The random weights, imported from a file in the legacy layout: (path, SHA-256 of the original)."""
    source = cache / "pt_inception.pth"
    source.write_bytes(written({**weights, "fc.bias": np.ones(1008)}))  # which nothing of ours looks at
    return source, inception_weights.import_file(source).sha256


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE_DIR", str(tmp_path / "empty"))
    return tmp_path


def test_names_and_shapes_are_pytorchs():
    """Their number is that of PyTorch's parameters without the bias of the logits."""
    assert len(shapes()) == 94 * 5 + 1
    assert sum(np.prod(shape) for name, shape in shapes().items() if "running" not in name) == 23_850_960 - 1008
    assert shapes()["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert shapes()["Mixed_6c.branch7x7dbl_4.conv.weight"] == (160, 160, 7, 1)
    assert shapes()["Mixed_7c.branch3x3dbl_3b.bn.running_var"] == (384,)


@pytest.mark.parametrize("name", parity.WAYS)
def test_missing_weights_say_how_to_get_them(name, empty):
    with pytest.raises(InputError, match=r"download https://\S+/pt_inception-2015-12-05-6726825d.pth and say: gan f"):
        find_network(name)


def test_files_of_other_networks_are_refused(empty, gan):
    stem = "Conv2d_1a_3x3"
    kernel = parity.random_array(stem, (32, 3, 3, 3))
    for arrays, message in (
        ({"fc.weight": kernel}, f"{stem}.conv.weight is missing"),
        ({f"{stem}.conv.weight": kernel[:, :1]}, r"conv.weight has the shape \(32, 1, 3, 3\) and should have"),
        ({f"{stem}.conv.weight": kernel * np.inf}, "conv.weight holds NaN or infinity"),
        ({f"{stem}.conv.weight": kernel}, f"{stem}.bn.weight is missing"),
    ):
        (empty / "file.pth").write_bytes(written(arrays))
        with pytest.raises(InputError, match=message):
            inception_weights.import_file(empty / "file.pth")
    assert gan("features", "import", empty / "file.pth")[0] == 2
    assert not inception_weights.location().exists()


def test_import_keeps_the_weights_as_they_are(imported, weights):
    source, sha256 = imported
    assert sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    with np.load(inception_weights.location(), allow_pickle=False) as file:
        assert set(file.files) == {*weights, "sha256"}
        assert str(file["sha256"]) == sha256
        for name, value in weights.items():
            np.testing.assert_array_equal(file[name], value, strict=True)
    assert [path.name for path in inception_weights.location().parent.iterdir()] == ["inception.npz"]


def test_the_newer_layout_is_read_alike(weights):
    found = parse_tensors(written(weights, zipped), HERE)
    assert all(np.array_equal(found[name], value) for name, value in weights.items())


def test_import_says_where_and_what(imported, gan):
    source, sha256 = imported
    code, out, _ = gan("features", "import", source, "--json")
    expected = {"path": str(inception_weights.location()), "sha256": sha256, "published": False}
    assert (code, json.loads(out)) == (0, expected)
    _, out, _ = gan("features", "import", source)
    assert f"from another file than the published one (6726825d...), SHA-256 {sha256}" in out


def test_list_with_and_without_weights(imported, gan, tmp_path, monkeypatch):
    found = json.loads(gan("features", "list", "--json")[1])["features"]
    assert {"digits", "pixels", "points", *parity.WAYS} <= set(found)
    assert (found["inception"]["dim"], found["inception"]["classes"]) == (2048, 1008)
    assert found["inception.clean"]["weights"] == "not the published ones"
    assert found["digits"] == {**found["digits"], "dim": 64, "classes": 10, "weights": "shipped"}
    monkeypatch.setenv("GAN_CACHE_DIR", str(tmp_path))
    _, out, _ = gan("features", "list")
    assert out.count("weights missing: gan features import FILE") == 3
    inception_weights.location().parent.mkdir()
    inception_weights.location().write_bytes(b"PK\x03\x04 and no more")
    assert gan("features", "list")[1].count("weights damaged") == 3
    with pytest.raises(InputError, match=r"damaged .*import it again"):
        find_network("inception")


# Resizing


def levels(shape, n=1):
    """Images as they reach a way to prepare them: grey levels [n, H, W, 3] float32."""
    return np.broadcast_to(parity.images(shape, n), (n, *shape[:2], 3)).astype(np.float32)


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 48, 3), (320, 320, 3), (512, 384, 3), (300, 7, 3), (1, 1, 3)])
def test_bicubic_is_pils(shape):
    x = levels(shape)
    expected = [
        np.asarray(Image.fromarray(x[0, :, :, c]).resize((299, 299), Image.Resampling.BICUBIC)) for c in (0, 1, 2)
    ]
    found = resize(jnp.asarray(x), bicubic, 299)[0]
    np.testing.assert_allclose(found, np.stack(expected, -1), atol=1e-3)


@pytest.mark.parametrize("rule", [tensorflow, bilinear, bicubic])
@pytest.mark.parametrize("pixels", [1, 2, 28, 299, 300, 1024])
def test_weights_of_a_rule_sum_to_one(rule, pixels):
    weights = rule(pixels, 299)
    assert weights.shape == (299, pixels)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    if pixels == 299:
        np.testing.assert_array_equal(weights, np.eye(299))


def test_rules_by_hand():
    """Two pixels, 0 and 1, to four."""
    ramp = np.array([0, 1], np.float32)
    np.testing.assert_allclose(tensorflow(2, 4) @ ramp, [0, 0.5, 1, 1])
    np.testing.assert_allclose(bilinear(2, 4) @ ramp, [0, 0.25, 0.75, 1])
    cubic = np.array([1.5 * 0.25**3 - 2.5 * 0.25**2 + 1, 1.5 * 0.75**3 - 2.5 * 0.75**2 + 1])
    far = -0.5 * (1.25**3 - 5 * 1.25**2 + 8 * 1.25 - 4)
    first = [far / (far + cubic[0]), cubic[1] / cubic.sum()]  # its kernel, normalised over the pixels that there are
    np.testing.assert_allclose(bicubic(2, 4) @ ramp, [first[0], first[1], 1 - first[1], 1 - first[0]], atol=1e-6)


def test_images_of_the_right_size_are_untouched_and_ranges_are_the_programs():
    x = jnp.asarray(levels((299, 299, 3)))
    np.testing.assert_array_equal(inception.legacy_tf(x), (x - 128) / 128)
    np.testing.assert_array_equal(inception.clean_fid(x), (x - 128) / 128)
    np.testing.assert_allclose(inception.pytorch_fid(x), x / 127.5 - 1, atol=1e-6)


def test_levels_are_exact_and_grey_has_three_channels():
    grey = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    found = np.asarray(inception.levels(jnp.asarray(grey, jnp.float32) / 127.5 - 1, "the network"))
    np.testing.assert_array_equal(found, np.repeat(grey, 3, -1).astype(np.float32))
    with pytest.raises(InputError, match="not 4 channels: convert them to RGB"):
        inception.levels(jnp.zeros((1, 8, 8, 4)), "the network")


# The network


def close(found, expected):
    """Within 1e-5 of the largest value: between programs 1e-6 has been seen."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(scope="module")
def recorded():
    with np.load(DATA / "inception.npz") as file:
        return dict(file)


def test_features_and_logits_are_those_of_the_trusted_programs(imported, recorded):
    """All sizes in all three ways, in one program of the network."""
    keys = [(way, shape) for way in parity.WAYS for shape in parity.SIZES]
    prepared = [inception.WAYS[way].prepare(jnp.asarray(levels(shape))) for way, shape in keys]
    weights = find_network("inception").apply.args[0]
    network = jax.jit(lambda weights, x: inception_net.forward(weights, x))
    found = [network(weights, jnp.concatenate(prepared[i : i + 5])) for i in range(0, 15, 5)]
    for row, (way, shape) in enumerate(keys):
        for output in ("features", "logits"):
            expected = recorded[f"{way} {'x'.join(map(str, shape))} {output}"]
            close(found[row // 5][output][row % 5], expected[0])


def test_the_three_ways_are_told_apart(recorded):
    """The recorded features differ between the ways by a thousand times more than ours from them."""
    for shape in ("28x28x1", "64x48x3", "320x320x3"):
        one, two, three = (recorded[f"{way} {shape} features"] for way in parity.WAYS)
        for a, b in ((one, two), (one, three), (two, three)):
            assert np.abs(a - b).max() > 1e-3 * a.max()


def test_a_pass_over_images_gives_the_recorded_features(imported, recorded):
    """As metrics take it: bytes, grey, on two devices, the last batch shorter."""
    network = find_network("inception.clean")
    assert network.hash == imported[1]
    assert network.protocol.endswith("without bias, other weights than the published ones")
    assert network.apply.args[0] is find_network("inception").apply.args[0]
    x = parity.images((28, 28, 1), 1)
    sample = collect(network, [np.concatenate([255 - x, x]), x], keep=["features", "logits"])
    for output in ("features", "logits"):
        found = sample.outputs[output]
        close(found[1:], np.repeat(recorded[f"inception.clean 28x28x1 {output}"], 2, 0))
        assert np.abs(found[0] - found[1]).max() > 1e-2 * found.max()


@pytest.mark.parametrize("shape", [(28, 28, 1), (299, 299, 3)])
def test_any_image_gives_features_and_logits(imported, shape):
    network = find_network("inception.pytorch")
    out = jax.eval_shape(network.apply, jax.ShapeDtypeStruct((5, *shape), jnp.float32))
    assert out["features"].shape == (5, network.dim)
    assert out["logits"].shape == (5, len(network.classes))
    assert {value.dtype for value in out.values()} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("n", [1, 3, 4, 7, 8, 10])
def test_parts_are_put_together_in_order(n, monkeypatch):
    monkeypatch.setattr(inception_net, "AT_ONCE", 3)
    x = jnp.arange(2.0 * n).reshape(n, 2)
    found = inception_net.in_parts(lambda part: {"twice": 2 * part}, x)
    np.testing.assert_array_equal(found["twice"], 2 * x)


def test_pools_by_hand():
    x = jnp.arange(25.0).reshape(1, 5, 5, 1)
    np.testing.assert_array_equal(inception_net.shrink(x)[0, :, :, 0], [[12, 14], [22, 24]])
    assert inception_net.maximum(-x)[0, 0, 0, 0] == 0  # the frame is no 0, nor larger
    assert inception_net.maximum(x - 100)[0, 4, 4, 0] == -76
    means = inception_net.average(x)[0, :, :, 0]
    np.testing.assert_allclose([means[0, 0], means[0, 2], means[2, 2]], [3, 4.5, 12], rtol=1e-6)


def test_directly_against_the_trusted_programs(imported):
    for name in ("torch", "torch_fidelity", "pytorch_fid", "cleanfid"):
        pytest.importorskip(name, reason=f"{name} is not installed: the recorded features stand for it")
    x = parity.images((32, 32, 3), 2)
    for way, theirs in parity.networks(imported[0]).items():
        found = collect(find_network(way), [x], keep=["features", "logits"]).outputs
        for output, expected in theirs(x).items():
            close(found[output], expected)
