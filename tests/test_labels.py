"""Data of which few labels are known: which they are, batches of them, shares of classes; what `build` refuses."""

from collections import Counter

import jax
import numpy as np
import pytest
import tomli_w
from PIL import Image

from gan_cli import build, recipe
from gan_cli.data import images
from gan_cli.data.folder import folder
from gan_cli.data.labelled import hide
from gan_cli.data.npz import npz
from gan_cli.data.order import FEW, order
from gan_cli.data.pipeline import Resident, Streamed, everything, pipeline
from gan_cli.data.source import in_memory
from gan_cli.data.store import Store
from gan_cli.errors import InputError

SIZE, BATCH, CLASSES = 60, 7, ("a", "b", "c")
LABELS = np.repeat([0, 1, 2], [30, 20, 10])
PIXELS = np.random.default_rng(0).integers(0, 256, (SIZE, 4, 4, 1), np.uint8)


@pytest.fixture
def source():
    return in_memory("tiny", PIXELS, LABELS, CLASSES)


# which labels are known


@pytest.mark.parametrize(("labelled", "counts"), [(3, [1, 1, 1]), (9, [3, 3, 3]), (10, [4, 3, 3]), (11, [4, 4, 3])])
def test_as_many_of_each_class_or_one_more(source, labelled, counts):
    chosen = hide(source, labelled=labelled).labelled
    assert len(set(chosen.tolist())) == labelled
    assert np.bincount(LABELS[chosen]).tolist() == counts
    assert (np.diff(chosen) > 0).all()


def test_the_choice_is_the_seeds(source):
    first, again, other = (hide(source, labelled=9, labelled_seed=seed).labelled for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    times = Counter(i for seed in range(300) for i in hide(source, labelled=3, labelled_seed=seed).labelled.tolist())
    assert max(times[i] for i in range(30)) < 30  # 10 expected, of 30 examples of class a
    assert all(times[i] for i in range(50))


def test_more_labels_are_those_of_fewer_and_others(source):
    """So that a curve over the number of labels adds to what is known."""
    few, many = (set(hide(source, labelled=n).labelled.tolist()) for n in (6, 15))
    assert few < many


def test_nothing_is_hidden_unless_asked_and_nothing_from_metrics(source):
    assert hide(source) is source
    hidden = hide(source, labelled=6)
    np.testing.assert_array_equal(hidden.load(np.arange(SIZE))["y"], LABELS)
    np.testing.assert_array_equal(everything(hidden)["y"], LABELS)
    assert hidden._replace(labelled=None) == source


@pytest.mark.parametrize(
    ("labelled", "words"),
    [
        (2, "labelled = 2 leaves some of 3 classes without one"),
        (33, "labelled = 33 wants 11 examples of class 'c', and there are 10"),
        (1000, "wants 334 examples of class 'a', and there are 30"),
    ],
)
def test_too_few_and_too_many_are_refused(source, labelled, words):
    with pytest.raises(InputError, match=words):
        hide(source, labelled=labelled)


def test_data_without_labels_have_none_to_hide():
    with pytest.raises(InputError, match=r"tiny: .* labelled = 3 wants data with labels, and these have none"):
        hide(in_memory("tiny", PIXELS), labelled=3)


def test_a_class_without_examples_is_refused():
    gap = in_memory("gap", PIXELS, LABELS // 2 * 2, CLASSES)
    with pytest.raises(InputError, match="wants 1 examples of class 'b', and there are 0"):
        hide(gap, labelled=3)


def test_hiding_keeps_to_images_of_another_size(source):
    fitted = hide(images.fit(source, size=8), labelled=6)
    np.testing.assert_array_equal(fitted.labelled, hide(source, labelled=6).labelled)
    assert (fitted.spec.classes, fitted.spec.shares) == (source.spec.classes, source.spec.shares)


# batches


def batches(feed, start, n):
    constants, given = jax.device_put(dict(feed.constants)), feed.feed(start, n)
    take = jax.jit(feed.take)
    return [jax.device_get(take(constants, {name: leaf[i] for name, leaf in given.items()})) for i in range(n)]


@pytest.fixture
def feeds(source):
    made = [pipeline(hide(source, labelled=9), batch=BATCH, seed=3, resident=kind) for kind in (True, False)]
    yield made
    for feed in made:
        feed.close()


def test_either_feed_gives_the_same_two_batches_from_any_step(feeds):
    resident, streamed = feeds
    assert (type(resident), type(streamed)) == (Resident, Streamed)
    for start, n in ((0, 3), (3, 2), (100, 1), (0, 1)):  # on, on, ahead, back
        for one, other in zip(batches(resident, start, n), batches(streamed, start, n), strict=True):
            assert sorted(one) == sorted(other) == ["labelled_x", "labelled_y", "x"]
            for name in one:
                assert one[name].dtype == other[name].dtype
                np.testing.assert_array_equal(one[name], other[name])


def test_the_batch_of_all_examples_is_the_one_without_hidden_labels(source, feeds):
    plain = pipeline(source, batch=BATCH, seed=3, resident=True)
    for step in (0, 11):
        np.testing.assert_array_equal(batches(feeds[0], step, 1)[0]["x"], batches(plain, step, 1)[0]["x"])


def test_labelled_examples_have_their_own_labels_and_are_decoded(source, feeds):
    chosen = hide(source, labelled=9).labelled
    own = {PIXELS[i].tobytes(): LABELS[i] for i in chosen}
    for batch in batches(feeds[0], 0, 5):
        pixels = np.round((batch["labelled_x"] + 1) * 127.5).astype(np.uint8)
        assert [own[x.tobytes()] for x in pixels] == batch["labelled_y"].tolist()
        assert batch["labelled_y"].dtype == np.int32
        assert batch["labelled_x"].dtype == np.float32


def test_every_labelled_example_comes_up_equally_often(feeds):
    drawn = feeds[0].feed(0, 9)["labelled"]
    assert drawn.dtype == np.int32
    assert set(Counter(drawn.ravel().tolist()).values()) == {BATCH}  # 9 batches of 7: each of 9 examples 7 times
    for epoch in drawn.reshape(BATCH, 9):
        assert len(set(epoch.tolist())) == 9


def test_a_batch_of_many_epochs_of_few_examples_costs_no_order_of_all():
    """The order of all examples is kept from step to step: it takes far longer to make than the order of a few."""
    from gan_cli.data import order as module

    many = in_memory("many", np.zeros((2 * FEW, 2), np.float32), np.arange(2 * FEW) % 3, CLASSES)
    feed = pipeline(hide(many, labelled=6), batch=64, seed=0)
    module._remembered.cache_clear()
    for step in range(5):
        feed.feed(step, 1)
    assert module._remembered.cache_info().misses == 1
    np.testing.assert_array_equal(order(0, 2 * FEW, 0), module._permutation(0, 2 * FEW, 0))


# shares


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_shares_of_arrays(source, tmp_path):
    assert source.spec.shares == pytest.approx((1 / 2, 1 / 3, 1 / 6))
    assert in_memory("bare", PIXELS).spec.shares == ()
    read = npz(Store(tmp_path), path=save(tmp_path / "gap.npz", x=PIXELS, y=LABELS // 2 * 2))
    assert read.spec.classes == ("0", "1", "2")
    assert read.spec.shares == pytest.approx((5 / 6, 0, 1 / 6))


def test_shares_of_a_folder(tmp_path):
    for i, y in enumerate(LABELS[::5]):
        (tmp_path / f"class {y}").mkdir(exist_ok=True)
        Image.fromarray(PIXELS[i, ..., 0]).save(tmp_path / f"class {y}" / f"{i}.png")
    read = folder(Store(tmp_path), path=tmp_path, labels=True)
    assert read.spec.shares == pytest.approx((1 / 2, 1 / 3, 1 / 6))
    assert folder(Store(tmp_path), path=tmp_path).spec.shares == ()


def test_negative_labels_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"labels run from -1 to 2; 3 classes want 0 \.\. 2"):
        npz(Store(tmp_path), path=save(tmp_path / "low.npz", x=PIXELS, y=np.where(LABELS == 0, -1, LABELS)))


# what build refuses


def prepare(name, tmp_path, *overrides, y=LABELS, hidden=True):
    """The recipe of images, on an .npz file of 8x8 images with these labels; `hidden`: as the recipe hides them."""
    x = np.random.default_rng(0).integers(0, 256, (SIZE, 8, 8, 1), np.uint8)
    path = save(tmp_path / "data.npz", x=x, **({} if y is None else {"y": y}))
    tables = recipe.read_tables(recipe.find_recipe(name), overrides)
    labelled = {key: value for key, value in tables["data"].items() if hidden and key == "labelled"}
    tables["data"] = {"source": "npz", "path": str(path), **labelled}
    tables["eval"] = {}
    return build.prepare(tables, "recipe", Store(tmp_path))


FITTING = [
    ("conditional/cgan_digits", []),
    ("conditional/matching_digits", []),
    ("conditional/projection_digits", []),
    ("conditional/acgan_digits", []),
    ("conditional/infogan_digits", []),
    ("conditional/ssinfogan_digits", ["data.labelled=6"]),
    ("conditional/acgan_digits", ["networks.discriminator={net='patchgan', halvings=1, width=4}"]),
    ("conditional/infogan_digits", ["networks.discriminator={net='patchgan', halvings=1, width=4}"]),
    ("conditional/acgan_digits", ["networks.discriminator={net='mlp.maxout'}"]),
]


@pytest.mark.parametrize(("name", "overrides"), FITTING)
def test_what_fits_is_made(name, overrides, tmp_path):
    made = prepare(name, tmp_path, *overrides)
    labels = made.experiment.game.labels
    assert (labels == "some") == (made.source.labelled is not None)
    assert (labels == "unused") == ("infogan" in name and "ss" not in name)


def test_games_that_need_no_label_take_data_without(tmp_path):
    assert prepare("conditional/infogan_digits", tmp_path, y=None).experiment.spec.classes == ()


def test_a_game_of_few_labels_says_how_many_would_do(tmp_path):
    with pytest.raises(
        InputError, match=r"for data of which few labels are known: set \[data\] labelled = 3 or another"
    ):
        prepare("conditional/ssinfogan_digits", tmp_path, hidden=False)


PATCH = "networks.discriminator={net='patchgan', halvings=1, condition='concatenate'}"
REFUSED = [
    ("cgan_digits", [], None, "play = 'standard' wants data with labels, and .* source = 'npz' gives none"),
    ("matching_digits", [], None, "wants data with labels"),
    ("acgan_digits", [], None, "play = 'acgan' wants data with labels"),
    ("ssinfogan_digits", [], None, "wants data with labels"),
    ("cgan_digits", ["data.labelled=6"], LABELS, "labelled = 6 hides the other labels.*'standard' has no use"),
    ("acgan_digits", ["data.labelled=6"], LABELS, "'acgan' has no use"),
    ("infogan_digits", ["data.labelled=6"], LABELS, "'infogan' has no use"),
    ("cgan_digits", ["networks.generator.condition=none"], LABELS, "label of 3 classes; set condition"),
    ("cgan_digits", ["networks.discriminator.condition=none"], LABELS, "label of 3 classes; set condition"),
    ("cgan_digits", ["game.conditional=false"], LABELS, "this game gives it none"),
    ("acgan_digits", ["networks.discriminator.condition=projection"], LABELS, "this game gives it none"),
    ("acgan_digits", ["networks.classifier.condition=concatenate"], LABELS, "this game gives it none"),
    ("infogan_digits", ["networks.generator.condition=concatenate"], LABELS, "this game gives it none"),
    ("cgan_digits", ["game.packing=2"], LABELS, "a label for each; .* packing = 1 would do"),
    ("cgan_digits", ["game.conditional=false", "game.mismatched=0.5"], LABELS, "it wants conditional = true"),
    ("matching_digits", [], 0 * LABELS, "wants at least two classes"),
    ("matching_digits", ["game.mismatched=1.0"], LABELS, "mismatched = 1.0: input should be less than 1"),
    ("projection_digits", ["networks.generator.norm=none"], LABELS, 'norm = "none" has no such layer'),
    ("projection_digits", [PATCH.replace("concatenate", "projection")], LABELS, "condition = 'projection'"),
    ("infogan_digits", ["game.categorical=[]", "game.continuous=0"], LABELS, "without codes is the standard game"),
    ("infogan_digits", ["game.categorical=[1]"], LABELS, r"categorical.0 = 1: input should be greater than or equal"),
    ("cgan_digits", [], LABELS - 1, r"labels run from -1 to 1; 2 classes want 0 \.\. 1"),
    ("ssinfogan_digits", ["data.labelled=6"], LABELS // 2 * 2, "wants 2 examples of class '1', and there are 0"),
    ("ssinfogan_digits", ["data.labelled=2"], LABELS, "leaves some of 3 classes without one"),
]


@pytest.mark.parametrize(("name", "overrides", "y", "words"), REFUSED)
def test_refused_with_the_reason(name, overrides, y, words, tmp_path):
    with pytest.raises(InputError, match=words):
        prepare(f"conditional/{name}", tmp_path, *overrides, y=y)


def test_a_folder_with_a_subfolder_a_class_is_trained_on_and_asked_for_by_name(tmp_path, gan):
    for number, name in enumerate(("horse", "zebra")):
        (tmp_path / "animals" / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(PIXELS[8 * number + i].repeat(2, 0).repeat(2, 1)[..., 0]).save(
                tmp_path / "animals" / name / f"{i}.png"
            )
    tables = recipe.read_tables(
        recipe.find_recipe("conditional/projection_digits"), ["train.steps=2", "train.batch=4", "eval.every=0"]
    )
    tables["data"] = {"source": "folder", "path": str(tmp_path / "animals"), "labels": True, "size": 8, "channels": 1}
    for network in tables["networks"].values():
        network["width"] = 2
    (tmp_path / "animals.toml").write_text(tomli_w.dumps(tables))
    code, _, err = gan("train", tmp_path / "animals.toml", "--out", tmp_path / "run")
    assert code == 0, err
    code, _, err = gan("sample", "--ckpt", tmp_path / "run", "--class", "zebra", "--n", 2, "--out", tmp_path / "drawn")
    assert code == 0, err
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["000000-1-zebra.png", "000001-1-zebra.png"]
