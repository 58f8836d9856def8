"""Pairs: an input beside each example, from arrays, halves, two folders, or as a view of the example itself."""

import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tiny import tiny_tables

from gan_cli import build, datasets
from gan_cli.data import images, views
from gan_cli.data.pipeline import Resident, Streamed, everything, pipeline
from gan_cli.data.source import in_memory
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.types import Spec

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (5, 8, 12, 3), dtype=np.uint8)
LARGE = RNG.integers(0, 256, (5, 12, 12, 1), dtype=np.uint8)
ALL = np.arange(5)


@pytest.fixture
def notes():
    return []


@pytest.fixture
def store(tmp_path, notes):
    return Store(None, tmp_path / "cache", note=notes.append)


def read(store, **data):
    table = build.validate_part(datasets.SOURCE, data, "a.toml: [data] ")
    return datasets.read_source(table, store)


def save(folder, **pictures):
    folder.mkdir(parents=True, exist_ok=True)
    for name, x in pictures.items():
        Image.fromarray(x[..., 0] if x.shape[2] == 1 else x).save(folder / f"{name}.png")


# ---- parts


def test_a_part_is_described_read_fed_and_in_the_fingerprint():
    source = in_memory("pairs", COLOURS, parts={"input": LARGE})
    assert source.spec.parts == {"input": Spec((12, 12, 1))}
    assert source.fingerprint != in_memory("pairs", COLOURS).fingerprint
    assert in_memory("pairs", COLOURS, parts={"input": LARGE[::-1]}).fingerprint != source.fingerprint
    np.testing.assert_array_equal(everything(source)["input"], LARGE)
    batches = []
    for resident in (True, False):
        feed = pipeline(source, batch=4, seed=0, resident=resident)
        assert isinstance(feed, Resident if resident else Streamed)
        constants = {name: jnp.asarray(x) for name, x in feed.constants.items()}
        taken = feed.take(constants, {name: jnp.asarray(x[0]) for name, x in feed.feed(3, 1).items()})
        batches.append({name: np.asarray(x) for name, x in taken.items()})
        feed.close()
    assert batches[0].keys() == {"x", "input"}
    for name, x in batches[0].items():
        np.testing.assert_array_equal(x, batches[1][name])
        assert x.min() >= -1
        assert x.max() <= 1


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="5 examples have 4 of 'input'; one each"):
        in_memory("pairs", COLOURS, parts={"input": LARGE[:4]})
    with pytest.raises(ValueError, match=r'input_views = \["views.edges"\]'):
        Spec((8, 8, 1)).part("input")


@pytest.mark.parametrize("rule", images.RULES)
def test_all_images_of_an_example_are_brought_to_one_size_by_one_rule(rule):
    fitted = images.fit(in_memory("pairs", COLOURS, parts={"input": LARGE}), size=16, channels=1, resize=rule)
    assert (fitted.spec.shape, fitted.spec.parts["input"].shape) == ((16, 16, 1), (16, 16, 1))
    alone = images.fit(in_memory("large", LARGE), size=16, resize=rule)
    found, expected = fitted.load(ALL[::-1]), alone.load(ALL[::-1])
    np.testing.assert_array_equal(found["input"], expected["x"])
    assert found["x"].shape == (5, 16, 16, 1)
    only = images.fit(in_memory("colours", COLOURS), size=16, channels=1, resize=rule)
    np.testing.assert_array_equal(found["x"], only.load(ALL[::-1])["x"])


def test_channels_are_of_x_and_an_input_that_is_a_vector_is_left_alone():
    source = in_memory("pairs", COLOURS, parts={"input": LARGE, "words": np.zeros((5, 3), np.float32)})
    fitted = images.fit(source, channels=4)
    assert fitted.spec.shape == (8, 12, 4)
    assert {name: part.shape for name, part in fitted.spec.parts.items()} == {"input": (12, 12, 1), "words": (3,)}
    np.testing.assert_array_equal(fitted.load(ALL)["input"], LARGE)
    prints = {images.fit(source, size=size, resize=rule).fingerprint for size, rule in ((None, "pad"), (12, "pad"))}
    assert len(prints | {fitted.fingerprint}) == 3


# ---- where pairs come from


def test_side_by_side(store, tmp_path):
    save(tmp_path / "set" / "train", **{f"{i}": x for i, x in enumerate(COLOURS)})
    save(tmp_path / "set" / "val", a=COLOURS[0])
    left = read(store, source="pairs.side_by_side", path=str(tmp_path / "set"), split="train")
    assert (left.spec.shape, left.spec.parts["input"].shape, left.size) == ((8, 6, 3), (8, 6, 3), 5)
    found = left.load(ALL[::-1])
    np.testing.assert_array_equal(found["input"], COLOURS[::-1, :, :6])
    np.testing.assert_array_equal(found["x"], COLOURS[::-1, :, 6:])
    right = read(store, source="pairs.side_by_side", path=str(tmp_path / "set"), split="train", input="right")
    np.testing.assert_array_equal(right.load(ALL)["x"], COLOURS[:, :, :6])
    assert left.fingerprint != right.fingerprint
    assert read(store, source="pairs.side_by_side", path=str(tmp_path / "set")).size == 6
    with pytest.raises(InputError, match=r"set: has no images in a folder 'test'.*split name folders"):
        read(store, source="pairs.side_by_side", path=str(tmp_path / "set"), split="test")


def test_halves_of_images_that_differ_are_fitted_and_odd_widths_refused(store, tmp_path):
    save(tmp_path / "mixed", a=COLOURS[0], b=np.concatenate([LARGE[0]] * 2, axis=1))
    with pytest.raises(InputError, match="set \\[data\\] size"):
        pipeline(read(store, source="pairs.side_by_side", path=str(tmp_path / "mixed")), batch=2, seed=0)
    found = read(store, source="pairs.side_by_side", path=str(tmp_path / "mixed"), size=12).load(np.arange(2))
    np.testing.assert_array_equal(found["x"][1], np.repeat(LARGE[0], 3, axis=2))
    np.testing.assert_array_equal(found["input"][0, 2:10, 3:9], COLOURS[0, :, :6])
    save(tmp_path / "mixed", c=COLOURS[0, :, :11])
    with pytest.raises(InputError, match=r"half the width, and 'c\.png' is 11 wide"):
        read(store, source="pairs.side_by_side", path=str(tmp_path / "mixed"), size=12)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_two_folders_belong_together_by_name(form, store, tmp_path):
    names = ["10", "9", "2"]
    for name, x, given in zip(names, COLOURS, LARGE, strict=False):
        save(tmp_path / "set" / "B", **{name: x})
        save(tmp_path / "set" / "A", **{name: given})
    path = tmp_path / "set"
    if form == "zip":
        path = tmp_path / "zipped.zip"
        pack(tmp_path / "set", path)
    source = read(store, source="pairs.folders", path=str(path))
    found = source.load(np.array([2, 0]))  # in natural order: 2, 9, 10
    np.testing.assert_array_equal(found["x"], COLOURS[[0, 2]])
    np.testing.assert_array_equal(found["input"], LARGE[[0, 2]])
    assert source.spec.parts["input"].shape == (12, 12, 1)
    turned = read(store, source="pairs.folders", path=str(path), inputs="B", outputs="A")
    np.testing.assert_array_equal(turned.load(np.array([2, 0]))["x"], LARGE[[0, 2]])
    assert turned.fingerprint != source.fingerprint


def pack(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))


def test_files_without_a_partner_are_named(store, tmp_path):
    save(tmp_path / "set" / "A", **{str(i): COLOURS[0] for i in range(6)})
    save(tmp_path / "set" / "B", **{"0": COLOURS[0], "x": COLOURS[0]})
    with pytest.raises(InputError, match=r"without a partner are '1' in A, '2' in A, '3' in A and 3 more"):
        read(store, source="pairs.folders", path=str(tmp_path / "set"))
    Image.fromarray(COLOURS[0]).save(tmp_path / "set" / "B" / "0.jpg")
    with pytest.raises(InputError, match=r"B: '0.(jpg|png)' and '0.(jpg|png)' have one name"):
        read(store, source="pairs.folders", path=str(tmp_path / "set"))
    with pytest.raises(InputError, match="has no images in a folder 'C'"):
        read(store, source="pairs.folders", path=str(tmp_path / "set"), inputs="C")


def test_npz_with_an_input(store, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=COLOURS, y=ALL, sketch=LARGE[..., 0])
    found = read(store, source="npz", path=str(path), input="sketch")
    np.testing.assert_array_equal(found.load(ALL)["input"], LARGE)
    assert found.spec.classes == tuple("01234")
    assert not read(store, source="npz", path=str(path)).spec.parts
    with pytest.raises(InputError, match="has no array 'z'; set \\[data\\] input to one of sketch, x, y"):
        read(store, source="npz", path=str(path), input="z")


# ---- views

ONE = [
    ({"view": "views.edges"}, (8, 12, 1)),
    ({"view": "views.smaller", "factor": 2}, (4, 6, 3)),
    ({"view": "views.noise"}, (8, 12, 3)),
    ({"view": "views.hole", "size": 3}, (8, 12, 3)),
    ({"view": "views.streaks"}, (8, 12, 3)),
    ({"view": "views.grey"}, (8, 12, 1)),
    ({"view": "views.relief"}, (8, 12, 1)),
    ({"view": "views.two_focuses"}, (8, 12, 3)),
    ({"view": "views.inverted"}, (8, 12, 3)),
    ({"view": "views.tinted"}, (8, 12, 3)),
    ({"view": "views.centre", "size": 4}, (4, 4, 3)),
]


def test_every_view_is_tried_here():
    assert [table["view"] for table, _ in sorted(ONE, key=lambda one: one[0]["view"])] == views.VIEW.names()


@pytest.mark.parametrize(("table", "shape"), ONE)
def test_a_view_is_a_pure_function_of_an_image_and_its_number(table, shape):
    view = build.call(views.VIEW, build.validate_part(views.VIEW, table))
    source = views.see(in_memory("colours", COLOURS), input_views=(view,))
    assert source.spec.parts["input"].shape == shape
    whole, original = source.load(ALL), COLOURS.copy()
    assert (whole["input"].dtype, whole["input"].shape) == (np.uint8, (5, *shape))
    np.testing.assert_array_equal(whole["x"], COLOURS)
    some = np.array([4, 1, 1])
    np.testing.assert_array_equal(source.load(some)["input"], whole["input"][some])
    np.testing.assert_array_equal(COLOURS, original)  # nothing is written into what is kept
    transparent = view.make(np.concatenate([COLOURS, COLOURS[..., :1]], axis=3), ALL)
    if table["view"] in ("views.noise", "views.hole", "views.streaks", "views.inverted"):
        np.testing.assert_array_equal(transparent[..., 3:], COLOURS[..., :1])
        np.testing.assert_array_equal(transparent[..., :3], whole["input"])


def make(view, x, numbers=ALL):
    return view.make(x, numbers)


def test_views_by_hand():
    step = np.zeros((1, 6, 6, 1), np.uint8)
    step[:, :, 3:] = 200  # slopes of 100 levels a pixel on both sides of the step
    for least, expected in ((100.0, [0, 0, 255, 255, 0, 0]), (101.0, [0] * 6)):
        np.testing.assert_array_equal(make(views.edges(least=least), step, [0])[0, 2, :, 0], expected)
    assert make(views.relief(), step, [0])[0, 2, :, 0].tolist() == [128, 128, 178, 178, 128, 128]
    blocks = COLOURS.reshape(5, 4, 2, 6, 2, 3).astype(float).mean((2, 4))
    np.testing.assert_array_equal(make(views.smaller(factor=2), COLOURS), np.rint(blocks))
    luma = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in COLOURS])
    np.testing.assert_array_equal(make(views.grey(), COLOURS)[..., 0], luma)
    np.testing.assert_array_equal(make(views.inverted(), LARGE), 255 - LARGE)
    two = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    tinted = make(views.tinted(black=(1, 2, 3), white=(9, 8, 7)), two, [0])
    assert tinted.tolist() == [[[[1, 2, 3], [9, 8, 7]]]]
    np.testing.assert_array_equal(make(views.centre(size=4), LARGE), LARGE[:, 4:8, 4:8])


def test_chance_in_views():
    grey = np.full((300, 16, 16, 1), 128, np.uint8)
    numbers = np.arange(300)
    noisy = make(views.noise(sd=20.0), grey, numbers).astype(float) - 128
    assert abs(noisy.mean()) < 0.3  # standard error 0.07
    assert noisy.std() == pytest.approx(20, rel=0.02)
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.2
    white = np.full((300, 16, 16, 1), 255, np.uint8)
    holes = make(views.hole(size=5), white, numbers)[..., 0] == 128
    assert (holes.sum((1, 2)) == 25).all()
    tops = holes.any(2).argmax(1)
    assert set(tops) == set(range(12))  # every place there is
    rain = make(views.streaks(count=3, length=4, level=200), np.zeros_like(grey), numbers)
    assert set(np.unique(rain)) == {0, 200}
    assert 0 < (rain > 0).sum((1, 2, 3)).max() <= 12
    dot = np.zeros((300, 16, 16, 1), np.uint8)
    dot[:, 3, 12] = 90
    spread = np.pad(np.full((3, 3), 10), ((2, 11), (11, 2)))  # the mean of nine pixels
    one, other, nothing = np.moveaxis(make(views.two_focuses(radius=1), dot, numbers), -1, 0)
    assert not nothing.any()
    assert set(np.unique(one[:, 3, 12])) == {10, 90}  # sharp in the one or in the other
    np.testing.assert_array_equal(one.astype(int) + other, dot[..., 0].astype(int) + spread)
    assert len({image.tobytes() for image in rain}) > 290


def test_views_of_x_and_of_an_input_that_is_there(store, tmp_path):
    np.savez(tmp_path / "a.npz", x=COLOURS, sketch=LARGE)
    plain = {"source": "npz", "path": str(tmp_path / "a.npz"), "size": 8, "resize": "squash"}
    both = read(
        store, **plain, input="sketch", views=["views.inverted"], input_views=["views.inverted", "views.smaller"]
    )
    fitted = read(store, **plain, input="sketch").load(ALL)
    found = both.load(ALL)
    np.testing.assert_array_equal(found["x"], 255 - fitted["x"])
    assert found["input"].shape == (5, 2, 2, 1)  # made smaller after it has been brought to the recipe's size
    of_x = read(store, **plain, views=["views.inverted"], input_views=["views.grey"])
    np.testing.assert_array_equal(of_x.load(ALL)["input"], make(views.grey(), found["x"]))
    prints = {source.fingerprint for source in (both, of_x, read(store, **plain), read(store, **plain, input="sketch"))}
    assert len(prints) == 4
    assert read(store, **plain).fingerprint == read(store, **plain, views=[]).fingerprint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"input_views": ["views.edgs"]}, r"\[data\] input_views.0.view = 'views.edgs': no such view; did you mean"),
        ({"views": [{"view": "views.hole", "size": 0}]}, r"\[data\] views.0.size = 0: input should be greater than 0"),
        ({"views": "views.hole"}, r"views = 'views.hole': expected a list of tables, \[\{ view = \.\.\. \}\]"),
        (
            {"input_views": ["views.grey", "views.hole"]},
            r"digits train: \[data\] input_views.1: hole 14 of images of 8 x 8",
        ),
        ({"views": ["views.smaller"], "size": 10}, r"views.0: smaller 4 of .* 10 x 10 pixels: factor = 4 does not"),
    ],
)
def test_views_that_cannot_be_are_refused_where_the_data_are_read(data, message, store):
    with pytest.raises(InputError, match=message):
        read(store, source="digits", **data)


def test_a_run_reads_its_views_from_the_channels_that_it_was_trained_with():
    """Colours that are made of grey are no reason to read colours."""
    for changes, channels in (({"views": ["views.tinted"]}, None), ({"input_views": ["views.tinted"]}, 1)):
        resolved = build.resolve(tiny_tables(data=changes), "a.toml")
        source = datasets.load_data(resolved, Store(download=False))
        again = datasets.as_trained(resolved, {"": source.spec})
        assert again["data"].get("channels") == channels
        assert datasets.load_data(again, Store(download=False)).fingerprint == source.fingerprint


def test_vectors_have_no_views(store):
    with pytest.raises(InputError, match=r"toy.ring: \[data\] views.0: grey is a view of images, and these are points"):
        read(store, source="toy.ring", views=["views.grey"])
