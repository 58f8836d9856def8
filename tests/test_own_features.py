"""Feature networks from outside of the package: Python, entry points of packages, exported programs."""

import hashlib
import importlib
import os
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.tree_util import Partial

from gan_cli.errors import InputError
from gan_cli.features import check_shipped, custom, find_network, probe
from gan_cli.metrics import find_metric as find_metric
from gan_cli.metrics.class_agreement import compute_class_agreement as agreement
from gan_cli.metrics.classes import classify, fits
from gan_cli.metrics.collect import collect
from gan_cli.metrics.metric import Code
from gan_cli.types import CLASS, Control, Spec

SHAPE = (6, 6, 1)
DOCS = Path(__file__).parents[1] / "docs" / "features.md"
MEAN = "def net(x):\n    return x.mean((1, 2))\n"
WEIGHTS = np.arange(36 * 4, dtype=np.float32).reshape(36, 4) / 100
images = np.random.default_rng(0).integers(0, 256, (7, *SHAPE), dtype=np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(code, name="mine.py"):
    Path(name).write_text(code)
    return f"{name}:net"


def own_features(spec, shape=SHAPE):
    return find_network(spec, outside=True, shape=shape)


def refused(code, match, shape=SHAPE):
    with pytest.raises(InputError, match=match):
        own_features(written(code), shape)


def test_a_function_of_images_is_a_network(folder):
    spec = written(
        "import jax.numpy as jnp\n\n\ndef net(x):\n    return jnp.concatenate([x.mean((1, 2)), x.std((1, 2))], 1)"
    )
    found = own_features(spec, (6, 6, 3))
    assert (found.name, found.dim, found.classes, found.others) == ("mine.py:net", 6, (), ())
    assert found.protocol == "as given by mine.py:net"
    assert found.hash == hashlib.sha256((folder / "mine.py").read_bytes()).hexdigest()
    x = images.repeat(3, axis=3)
    floats = x / 127.5 - 1
    sample = collect(found, [x[:4], x[4:]], keep=["features"])
    expected = np.concatenate([floats.mean((1, 2)), floats.std((1, 2))], axis=1)
    np.testing.assert_allclose(sample.outputs["features"], expected, atol=1e-6)


def test_the_same_name_is_the_same_object_and_a_shape_does_not_change_apply():
    spec = written(MEAN)
    assert own_features(spec) is own_features(spec)
    assert own_features(spec).apply is own_features(spec, (8, 8, 3)).apply is find_network(spec, outside=True).apply
    assert (own_features(spec, (8, 8, 3)).dim, find_network(spec, outside=True).dim) == (3, 0)


def test_the_same_name_in_another_folder_is_another(folder, monkeypatch):
    first = own_features(written(MEAN))
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    second = own_features(written(MEAN.replace("mean", "max")))
    assert first.name == second.name
    assert first.hash != second.hash


FORMS = {
    "factory": "def net():\n    return lambda x: x.mean((1, 2))",
    "defaults": "def net(scale=1):\n    return lambda x: scale * x.mean((1, 2))",
    "class": "class net:\n    def __call__(self, x):\n        return x.mean((1, 2))",
    "dict": "def net(x):\n    return {'features': x.mean((1, 2))}",
    "half": "def net(x):\n    return x.mean((1, 2)).astype('bfloat16')",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_network(form):
    out = own_features(written(FORMS[form])).apply(jnp.ones((3, *SHAPE)))
    np.testing.assert_array_equal(out["features"], np.ones((3, 1)))
    assert out["features"].dtype == np.float32


def test_a_module_is_found_by_its_name(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    written(MEAN, "gan_test_module.py")
    found = own_features("gan_test_module:net")
    assert (found.name, found.dim) == ("gan_test_module:net", 1)
    assert found.hash == hashlib.sha256(MEAN.encode()).hexdigest()


IMPORTS = "import jax\nimport jax.numpy as jnp\nimport numpy as np\n"
HELD = {
    "numpy": "w = np.load('w.npy')\ndef net(x):\n    return x.reshape(len(x), -1) @ w",
    "jit": "w = jnp.asarray(np.load('w.npy'))\n"
    "@jax.jit\ndef net(x):\n    return jax.nn.relu(x.reshape(len(x), -1) @ w)",
    "scan": "w = np.load('w.npy')\ndef net(x):\n"
    "    return jax.lax.scan(lambda c, _: (c + x.reshape(len(x), -1) @ jnp.asarray(w), None), jnp.zeros((len(x), 4)), "
    "None, length=2)[0]",
    "partial": "def net():\n"
    "    return jax.tree_util.Partial(lambda w, x: x.reshape(len(x), -1) @ w, jnp.asarray(np.load('w.npy')))",
}


def test_what_runs_is_what_is_hashed_though_the_file_looks_as_before():
    """Python takes a .pyc for fresh while size and time of its source are the same: an edit could be missed."""
    hashes = set()
    for value in (1, 2):
        spec = written(f"def net(x):\n    return {value} + 0 * x.mean((1, 2))\n")
        os.utime("mine.py", (1e9, 1e9))
        custom._loaded.cache_clear()  # as in another process
        custom._fitted.cache_clear()
        found = own_features(spec)
        np.testing.assert_array_equal(found.apply(jnp.ones((1, *SHAPE)))["features"], [[value]])
        hashes.add(found.hash)
    assert len(hashes) == 2


def test_the_hash_of_an_object_is_of_the_persons_file_and_not_of_its_class(folder):
    """An object's class may be JAX's or this package's: their releases must not change the hash of a network."""
    code = "from gan_cli.features import Features\nnet = Features('', '', 0, (), '', lambda x: x.mean((1, 2)))\n"
    assert own_features(written(code)).hash == hashlib.sha256(code.encode()).hexdigest()


def test_the_hash_is_of_the_file_that_a_function_was_imported_from_too(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    written(MEAN, "gan_test_origin.py")
    code = "from gan_test_origin import net\n"
    expected = hashlib.sha256(code.encode() + MEAN.encode()).hexdigest()
    assert own_features(written(code)).hash == expected


@pytest.mark.parametrize("form", HELD)
def test_the_hash_is_of_the_weights_too_wherever_they_were_read_from(form, folder, monkeypatch):
    """The code stays the same while the file of the weights changes: other numbers must have another hash."""
    hashes = []
    for name, factor in (("first", 1), ("second", 1), ("third", 2)):
        (folder / name).mkdir()
        monkeypatch.chdir(folder / name)
        np.save("w.npy", WEIGHTS * factor)
        hashes.append(own_features(written(IMPORTS + HELD[form])).hash)
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_hash_sees_a_random_key_that_a_network_holds():
    code = "import jax\nkey = jax.random.key({})\ndef net(x):\n    return x.mean((1, 2)) + jax.random.normal(key)"
    found = own_features(written(code.format(0)))
    assert found.hash != hashlib.sha256(code.format(0).encode()).hexdigest()


def test_a_partial_hands_its_arrays_to_the_program():
    found = own_features(
        written(
            "import jax\nimport jax.numpy as jnp\ndef net():\n"
            "    return jax.tree_util.Partial(lambda w, x: x.mean((1, 2)) * w, jnp.full(1, 2.0))"
        )
    )
    assert isinstance(found.apply, Partial)
    assert [leaf.shape for leaf in jax.tree.leaves(found.apply)] == [(1,)]
    sample = collect(found, [images], keep=["features"])
    np.testing.assert_allclose(sample.outputs["features"], 2 * (images / 127.5 - 1).mean((1, 2)), atol=1e-6)


CLASSIFIER = """
import jax.numpy as jnp
from gan_cli.features import Features

def net():
    def apply(images):
        light = images.mean((1, 2, 3))  # [B]
        return {"features": jnp.stack([light, light**2], axis=1), "logits": 9 * jnp.stack([-light, light], axis=1)}

    return Features(name="light", hash="weights-1", dim=2, classes=("dark", "bright"), protocol="mean", apply=apply)
"""


def test_a_classifier_of_ones_own_makes_the_metrics_of_classes_work():
    features = own_features(written(CLASSIFIER))
    assert (features.name, features.hash, features.dim) == ("light", "weights-1", 2)
    assert fits(features, Spec(SHAPE, ("dark", "bright")), None)
    assert not fits(features, Spec(SHAPE, ("bright", "dark")), None)
    fakes = np.zeros((20, *SHAPE), np.uint8)
    fakes[:12] = 255  # 12 bright, 8 dark
    sample = classify(features, collect(features, [fakes[:15], fakes[15:]], keep=["logits"]), None)
    np.testing.assert_array_equal(sample.classified, [1] * 12 + [0] * 8)
    asked = np.array([1] * 10 + [0] * 10, np.int32)  # two of the dark ones that were asked for are bright
    fake = sample._replace(codes={CLASS: Code(Control(categories=2), asked)})
    values = agreement(sample._replace(labels=np.array([1] * 12 + [0] * 8)), fake)
    assert values["class-agreement"] == pytest.approx(18 / 20)
    assert (values["class-agreement-0"], values["class-agreement-1"]) == (pytest.approx(0.8), 1)
    assert values["class-agreement-real"] == 1
    assert find_metric("class-coverage").compute(None, sample)["class-coverage"] == 2
    score = find_metric("inception-score", splits=1).compute(None, sample)["inception-score"]
    sure = 1 / (1 + np.exp(-18))
    entropy = -sum(p * np.log(p) for p in (0.6 * sure + 0.4 * (1 - sure), 0.4 * sure + 0.6 * (1 - sure)))
    inner = -sum(p * np.log(p) for p in (sure, 1 - sure))
    assert score == pytest.approx(np.exp(entropy - inner), rel=1e-5)


def test_logits_without_names_are_numbered_and_are_no_judge_of_the_data():
    code = (
        "import jax.numpy as jnp\ndef net(x):\n    m = x.mean((1, 2))\n    return dict(features=m, logits=m, extra=x)"
    )
    found = own_features(written(code))
    assert (found.classes, found.others) == (("logit 0",), ("extra",))
    assert not fits(found, Spec(SHAPE, ("0",)), None)


def features_code(fields, body="x.mean((1, 2))"):
    stated = {"name": "''", "hash": "''", "dim": "0", "classes": "()", "protocol": "''", **fields}
    listed = ", ".join(f"{key}={value}" for key, value in stated.items())
    return f"from gan_cli.features import Features\ndef net():\n    return Features({listed}, apply=lambda x: {body})"


MISTAKES = {
    "x.mean()": r"of 2 images its features have the shape \[\]; expected \[2, numbers\]",
    "x": r"have the shape \[2, 6, 6, 1\]",
    "x.mean((0, 1))": r"have the shape \[6, 1\]",
    "x.reshape(len(x), -1)[:, :0]": r"have the shape \[2, 0\]",
    "x.mean((1, 2)) * 1j": "features are not an array of real numbers, but of complex64",
    "None": "features are not an array of real numbers, but a NoneType",
    "[x]": "features are not an array of real numbers, but a list",
    "{'feature': x}": "it returns feature, without features",
    "{}": "it returns nothing, without features",
    "{'features': x.mean((1, 2)), 'logits': x}": r"its logits have the shape \[2, 6, 6, 1\]",
    "(x.mean((1, 2)) + 5) / 0": "features of random images in .* are not finite",
    "x.mean((1, 2)) - x.mean()": "the features of an image change with the other images of its batch",
    "x.mean((7, 8))": r"does not run on images \[2, 6, 6, 1\]: IndexError.* \(mine.py, line 2\)",
    "float(x.mean())": r"does not run on images .*ConcretizationTypeError.* \(mine.py, line 2\)",
    "__import__('numpy').asarray(x)": r"does not run on images .*TracerArrayConversionError",
}


@pytest.mark.parametrize("body", MISTAKES)
def test_what_is_no_network_of_images_is_refused_with_the_reason(body):
    refused(f"def net(x):\n    return {body}\n", MISTAKES[body])


STATED = {
    "{'dim': '5'}": "states 5 features of an image, and gives 1",
    "{'classes': '(1, 2)'}": "it returns features, without logits",
    "{'classes': '\"ab\"'}": "must be a tuple of names",
    "{'name': '\"digits\"'}": "'digits' is the name of a shipped network",
    "{'others': '(\"maps\",)'}": "without maps",
}


@pytest.mark.parametrize("fields", STATED)
def test_what_a_features_states_must_be_true(fields):
    refused(features_code(eval(fields)), STATED[fields])


def test_the_number_of_logits_must_be_that_of_the_classes():
    body = "{'features': x.mean((1, 2)), 'logits': x.mean((1, 2))}"
    refused(features_code({"classes": "('a', 'b')"}, body), "states 2 logits of an image, and gives 1")


def test_code_that_cannot_be_had(folder):
    for spec, match in {
        "nothing.py:net": "--features nothing.py: no such file in ",
        "gan_nothing:net": "cannot be imported: ModuleNotFoundError: No module named 'gan_nothing'$",
        "../x:net": "neither a module's name nor a file's",
        "math:sinus": "math has no 'sinus'; did you mean 'sin'",
        "builtins:abs": "it is in no file",
    }.items():
        with pytest.raises(InputError, match=match):
            own_features(spec)
    for name, code, match in [
        ("none.py", "x = 1\n", "none.py has no 'net'"),
        ("three.py", "net = 3\n", "gave a int, and"),
    ]:
        with pytest.raises(InputError, match=match):
            own_features(written(code, name))


def test_errors_of_the_persons_own_code_say_where(folder):
    refused("def net(:\n", "cannot be loaded: SyntaxError")
    refused("import gan_nothing\n", r"cannot be loaded: ModuleNotFoundError: .* \(mine.py, line 1\)")
    refused("def net():\n    raise KeyError('w')\n", r"--features mine.py:net: KeyError: 'w' \(mine.py, line 2\)")
    written(MEAN, "near.py")
    with pytest.raises(InputError, match=r"for the file write near\.py:function"):
        own_features("near:net")


def test_only_who_asks_for_it_gets_code_from_outside(folder):
    spec = written("open('ran', 'w').close()\n" + MEAN)
    for name in (spec, str(folder / "net.jaxexport"), "net.jaxexport", "os:getcwd", "mine.py", "a/b", "a\\b"):
        for asked in (find_network, check_shipped):
            with pytest.raises(InputError, match="a recipe can name only shipped networks"):
                asked(name)
    assert not Path("ran").exists()
    own_features(spec)
    assert Path("ran").exists()


def test_shipped_names_stay_as_they_are():
    assert find_network("digits", outside=True, shape=SHAPE) is find_network("digits")
    check_shipped("digits")
    for asked in (find_network, lambda name: find_network(name, outside=True), check_shipped):
        with pytest.raises(InputError, match="no such feature network; did you mean 'digits'"):
            asked("digitz")
    with pytest.raises(InputError, match=r"\[eval\] features = 'digitz'"):
        check_shipped("digitz", "[eval] ")


@pytest.fixture
def installed(folder, monkeypatch):
    """A package with an entry point, as pip lays it."""
    info = folder / "gan_test_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gan-test-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[gan_cli.features]\nclouds = gan_test_plugin:net\n")
    (folder / "gan_test_plugin.py").write_text(MEAN)
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()


@pytest.mark.usefixtures("installed")
def test_a_package_adds_a_network_by_name():
    found = own_features("clouds")
    assert (found.name, found.dim, found.protocol) == ("clouds", 1, "as given by clouds")
    assert found.hash == hashlib.sha256(MEAN.encode()).hexdigest()
    with pytest.raises(InputError, match="did you mean 'clouds'"):
        own_features("cloud")
    with pytest.raises(InputError, match="a recipe can name only shipped networks"):
        find_network("clouds")


def net(x):
    """Features [B, 4] and logits [B, 2] of images of any size."""
    mean = x.mean((1, 2, 3))[:, None]
    features = jax.nn.relu(jax.image.resize(x, (x.shape[0], *SHAPE), "linear").reshape(x.shape[0], -1) @ WEIGHTS)
    return {"features": features, "logits": jnp.concatenate([-mean, mean], 1)}


def save(function=net, shape="b, 6, 6, 1", name="net.jaxexport", dtype=jnp.float32, **options):
    pytest.importorskip("flatbuffers", reason="jax.export writes its files with flatbuffers")
    arguments = jax.ShapeDtypeStruct(export.symbolic_shape(shape), dtype)
    Path(name).write_bytes(export.export(jax.jit(function), **options)(arguments).serialize())
    return name


def test_an_exported_program_gives_what_the_function_gives():
    found = own_features(save())
    assert (found.name, found.dim, found.classes) == ("net.jaxexport", 4, ("logit 0", "logit 1"))
    assert found.protocol == "images of 6x6x1 in [-1, 1], as they are"
    assert found.hash == hashlib.sha256(Path("net.jaxexport").read_bytes()).hexdigest()
    assert found is own_features("net.jaxexport")
    sample = collect(
        found, [images[:4], images[4:]], keep=["features", "logits"]
    )  # on two devices, the last one padded
    expected = net(jnp.asarray(images / 127.5 - 1, jnp.float32))
    for key, value in expected.items():
        np.testing.assert_allclose(sample.outputs[key], value, rtol=1e-5, atol=1e-5)


def test_an_exported_program_says_which_images_it_takes():
    save()
    with pytest.raises(InputError, match="takes images of 6x6x1, and these are of 8x8x3: resize them"):
        own_features("net.jaxexport", (8, 8, 3))
    any_size = own_features(save(lambda x: x.mean((1, 2)), "b, h, w, 3", "any.jaxexport"), (5, 7, 3))
    assert (any_size.dim, any_size.protocol) == (3, "images of hxwx3 in [-1, 1], as they are")
    with pytest.raises(InputError, match="takes images of hxwx3, and these are of 6x6x1"):
        own_features("any.jaxexport")


def test_an_exported_program_gets_its_class_names_from_a_function():
    save()
    spec = written(
        "from pathlib import Path\nfrom gan_cli.features.artefact import exported\n"
        "def net():\n    return exported(Path('net.jaxexport'))._replace(name='light', classes=('dark', 'bright'))"
    )
    found = own_features(spec)
    assert (found.name, found.classes) == ("light", ("dark", "bright"))
    assert found.hash == hashlib.sha256(Path("net.jaxexport").read_bytes()).hexdigest()


FORMS_OF_PROGRAMS = [
    ({"shape": "8, 6, 6, 1"}, "batches of exactly 8 images"),
    ({"shape": "b, 36", "function": lambda x: x}, r"images \[B, H, W, C\] float32, not of float32\[b,36\]"),
    ({"dtype": jnp.uint8, "function": lambda x: x.mean((1, 2))}, r"not of uint8\[b,6,6,1\]"),
    ({"function": lambda x: x.mean()}, "have the shape"),
    ({"function": lambda x: {"pool": x.mean((1, 2))}}, "it returns pool, without features"),
    ({"platforms": ("tpu",), "function": lambda x: x.mean((1, 2))}, "exported for tpu, and this is cpu"),
]


@pytest.mark.parametrize(("options", "match"), FORMS_OF_PROGRAMS)
def test_an_exported_program_of_another_form_is_refused(options, match):
    with pytest.raises(InputError, match=match):
        own_features(save(**options))


def test_damaged_files_are_refused(capfd):
    data = Path(save()).read_bytes()
    for i, bad in enumerate([b"", b"\0" * 64, b"PK\3\4" + bytes(100), data[:40], data[: len(data) // 2], data[::-1]]):
        Path(f"{i}.jaxexport").write_bytes(bad)
        with pytest.raises(InputError, match=rf"{i}.jaxexport: damaged, or not written by jax.export"):
            own_features(f"{i}.jaxexport")
    with pytest.raises(InputError, match=r"none.jaxexport: cannot be read: No such file"):
        own_features("none.jaxexport")


def test_a_program_that_calls_what_is_not_of_xla_is_refused():
    """`deserialize` takes it, and to call it is to jump into the process: the check must come before."""
    call = "xla_ffi_python_cpu_callback"

    def hostile(x):
        return jax.ffi.ffi_call(call, jax.ShapeDtypeStruct((x.shape[0], 1), jnp.float32))(x, index=np.uint64(0))

    save(hostile, disabled_checks=[export.DisabledSafetyCheck.custom_call(call)])
    _, calls = probe.read_program(Path("net.jaxexport").read_bytes())
    assert call in calls
    with pytest.raises(InputError, match=f"it calls {call}, which could be any code: refused"):
        own_features("net.jaxexport")


def test_without_flatbuffers_it_says_what_to_install(monkeypatch):
    Path("net.jaxexport").write_bytes(b"x")

    def missing(_):
        raise ImportError("Please install 'flatbuffers'")

    monkeypatch.setattr(export, "deserialize", missing)
    with pytest.raises(InputError, match="pip install flatbuffers"):
        own_features("net.jaxexport")


@pytest.mark.slow  # five seconds, of a page
def test_the_snippets_of_the_manual_run(monkeypatch):
    """Each Python block of docs/features.md that begins with a comment `# file.py` is written to that file and used."""
    blocks = dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL))
    for name, code in blocks.items():
        Path(name).write_text(code)
    np.savez("weights.npz", kernel=WEIGHTS)
    assert own_features("thumbnail.py:thumbnail", (28, 28, 3)).dim == 8 * 8 * 3
    assert own_features("weighted.py:weighted").dim == 4
    assert own_features("clothes.py:clothes", (28, 28, 1)).classes[0] == "T-shirt/top"
    pytest.importorskip("flatbuffers", reason="jax.export writes its files with flatbuffers")
    exec(compile(blocks["write.py"], "write.py", "exec"), {"__name__": "__main__"})
    assert own_features("net.jaxexport", (28, 28, 1)).dim == 49
    assert own_features("named.py:named", (28, 28, 1)).classes == ("dark", "bright")
    assert set(blocks) == {"thumbnail.py", "weighted.py", "clothes.py", "write.py", "named.py"}
