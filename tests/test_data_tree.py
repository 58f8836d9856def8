"""Folders and zips as people have them: what of them is trained on, of which class, and what is said of the rest."""

import io
import json
import os
import stat
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli import datasets
from gan_cli.data import images, tree
from gan_cli.data.folder import folder
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.judging import image_sets


def grey(value=0, width=2, height=1):
    """All of one value but for a white pixel: what values mean is another matter."""
    return b"P5 %d %d 255\n" % (width, height) + bytes([value]) * (width * height - 1) + b"\xff"


RGB = b"P6 2 1 255\n" + bytes(5) + b"\xff"


@pytest.fixture
def notes():
    return []


@pytest.fixture
def store(tmp_path, notes):
    return Store(None, tmp_path / "cache", note=notes.append)


def filled(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def zipped(path, files):
    """A zip of pairs, names and contents; a name may be a ZipInfo."""
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name that comes twice
        for name, content in files:
            archive.writestr(name, content)
    return path


def made(path, files, form):
    return zipped(path.with_suffix(".zip"), files.items()) if form == "zip" else filled(path, files)


def some(*folders, count=2):
    return {f"{where}/{i}.pgm": grey(i) for where in folders for i in range(count)}


def names(path):
    return [file.name for file in tree.read_tree(path).files]


def said(source):
    return "\n".join(source.remarks)


def refused(make, *words):
    with pytest.raises(InputError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


BOTH = pytest.mark.parametrize("form", ["folder", "zip"])


# what was always read is read as it was


@pytest.mark.parametrize(
    ("form", "labels", "fingerprint"),
    [
        ("folder", False, "39f9a850066a6fee1ef878ab7dd0ed20d6612eb86ccfa8d4f662e6ff6349820c"),
        ("folder", True, "6cf2f8deead88b2d52393f158a1b3cb7788582c382d3bd1daab7cc061cc11ca5"),
        ("zip", False, "4e44d604dd621769ab11352b495cf5326739018391848c68392bc6d38b08dbd7"),
        ("zip", True, "04c3b60aea98685046017c19e25c13cf9d08038d1b1a66666c7db34f8f793fdb"),
    ],
)
def test_runs_on_plain_folders_can_be_resumed_after_all_releases(tmp_path, store, form, labels, fingerprint):
    """These fingerprints were taken before links were followed."""
    files = {f"photos/{name}/{i}.ppm": b"P6 2 1 255\n" + bytes([i] * 6) for name in "ba" for i in (10, 2, 1)}
    path = made(tmp_path / "set", files, form)
    source = folder(store, path=path, labels=labels)
    assert source.fingerprint == fingerprint
    assert "left out" not in said(source)
    assert names(path) == [f"{name}/{i}.ppm" for name in "ab" for i in (1, 2, 10)]


# links


def test_links_to_files_and_folders_are_followed(tmp_path, store):
    filled(tmp_path, {**some("store/b"), **some("set/A"), "away/x.pgm": grey(9)})
    os.symlink("../store/b", tmp_path / "set" / "B")
    os.symlink("A", tmp_path / "set" / "C")  # the same folder, under two names
    os.symlink("../../away/x.pgm", tmp_path / "set" / "A" / "z.pgm")
    os.link(tmp_path / "away" / "x.pgm", tmp_path / "set" / "A" / "hard.pgm")
    source = folder(store, path=tmp_path / "set", labels=True)
    assert source.spec.classes == ("A", "B", "C")
    assert np.bincount(source.labels).tolist() == [4, 2, 4]
    assert source.remarks == ()
    os.symlink("set", tmp_path / "link")
    assert names(tmp_path / "link") == names(tmp_path / "set")


def test_links_that_lead_round_or_nowhere_are_told_of(tmp_path, store):
    path = filled(tmp_path / "set", some("A/deep", "B"))
    os.symlink("..", path / "A" / "up")
    os.symlink(".", path / "here")
    os.symlink("../B", path / "A" / "b")
    os.symlink("../A", path / "B" / "a")
    os.symlink("nothing.pgm", path / "lost.pgm")
    os.symlink("self.pgm", path / "self.pgm")
    source = folder(store, path=path)
    assert {"A/deep/0.pgm", "B/0.pgm", "A/b/0.pgm", "B/a/deep/0.pgm"} <= set(names(path))
    for words in ("linked in a circle", "1 linked to nothing ('lost.pgm')", "unreadable ('self.pgm': Too many levels"):
        assert words in said(source)


def test_folders_that_all_link_to_each_other_are_read_in_bounds(tmp_path):
    for i in range(8):
        filled(tmp_path, {f"set/{i}/0.pgm": grey()})
        for j in range(8):
            os.symlink(f"../{j}", tmp_path / "set" / str(i) / f"to{j}")
    found = tree.read_tree(tmp_path / "set")  # without bounds: some 110,000 folders
    assert 8 <= len(found.files) <= 8 * (tree.READS + 1)
    assert "linked more than 16 times" in found.left_out


def test_a_folder_without_permission_is_told_of(tmp_path, store, monkeypatch):
    """Root may look anywhere, so that permissions alone would show nothing."""
    path = filled(tmp_path / "set", some("open", "closed"))
    really = os.scandir

    def scandir(where):
        if Path(where).name == "closed":
            raise PermissionError(13, "Permission denied", where)
        return really(where)

    monkeypatch.setattr(os, "scandir", scandir)
    source = folder(store, path=path)
    assert source.size == 2
    assert "left out: 1 unreadable ('closed': Permission denied)" in said(source)
    refused(lambda: folder(store, path=path / "closed"), "cannot be looked into: Permission denied")


# suffixes


@BOTH
def test_files_are_images_by_any_suffix_of_theirs_or_by_their_content_where_there_is_none(tmp_path, store, form):
    jpeg = io.BytesIO()
    Image.new("L", (2, 1)).save(jpeg, "JPEG")
    read = {name: jpeg.getvalue() for name in ("a.jfif", "b.JPE", "c.jif", "d.JPG", "0f3c", "e.")}
    read |= {"f.pnm": grey(), "000001": grey()}
    left = dict.fromkeys(("README", "n.txt", "m.txt", "a.jpg~", "b.jpg.part", "c.avif", "d.HEIC", ".h.png"), b"x")
    source = folder(store, path=made(tmp_path / "set", {**read, **left}, form))
    assert source.size == len(read)
    for words in (
        "1 of other kinds",
        "2 .txt ('m.txt')",
        "1 .avif",
        "1 .heic ('d.HEIC')",
        "1 hidden",
        "1 without a suffix",
        "1 .jpg~",
    ):
        assert words in said(source)
    assert "convert the others" in said(source)


def test_what_is_left_out_is_one_line_of_bounded_length(tmp_path, store):
    files = {f"{i}.{'x' * 100}{i}": b"" for i in range(30)}
    path = filled(tmp_path / "set", {"a.pgm": grey(), f"{'long' * 50}.txt": b"", "n\n\x1b[31m.csv": b"", **files})
    (remark,) = folder(store, path=path).remarks
    assert len(remark) < len(str(path)) + 1200
    assert remark.isprintable()
    assert "and 26 of other kinds" in remark


@BOTH
def test_thumbnails_and_litter_of_systems_are_no_examples(tmp_path, store, form):
    system = ("@eaDir/a.pgm", "#recycle", "@Recycle", "lost+found", "$RECYCLE.BIN", ".Trash-1000", ".ipynb_checkpoints")
    files = {"A/a.pgm": grey(), **{f"A/{where}/{i}.pgm": grey(i) for where in system for i in range(3)}}
    files |= {f"A/{name}": b"x" for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._a.pgm", "__MACOSX/b.pgm")}
    files |= {".cache/x.pgm": grey(), ".x.pgm": grey()}
    path = made(tmp_path / "set", files, form)
    assert names(path) == ["a.pgm"]
    assert said(folder(store, path=path)) == f"{path}: left out: 7 of the system ('A/#recycle'), 2 hidden ('.cache')"


@BOTH
def test_where_nothing_is_left_the_refusal_says_what_was_there(tmp_path, store, form):
    path = made(tmp_path / "set", {"a.avif": b"", "cats.zip": b"PK", "@eaDir/x.pgm": grey()}, form)
    refused(lambda: folder(store, path=path), "no image", "1 .avif", "1 .zip", "1 of the system", "unpack them")


@pytest.mark.parametrize(
    ("name", "mend"), [("a.tar.gz", "unpack it"), ("b.7z", "unpack it"), ("c.RAR", "unpack it"), ("d.png", "one image")]
)
def test_other_archives_and_single_files_are_refused_with_what_would_do(tmp_path, store, name, mend):
    refused(lambda: folder(store, path=filled(tmp_path, {name: grey()}) / name), name, "sound zip", mend)


# zips of all sorts


def test_entries_that_are_links_or_come_twice_or_lie_elsewhere(tmp_path, store):
    link = zipfile.ZipInfo("d/link.pgm")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    entries = [("/top/d/0.pgm", grey(7)), ("../d/1.pgm", grey(1)), ("./d/2.pgm", grey(2)), ("d/2.pgm", grey(3))]
    path = zipped(tmp_path / "z.zip", [*entries, (link, "2.pgm"), ("d/A.pgm", grey(4)), ("d/a.pgm", grey(5))])
    assert names(path) == ["d/1.pgm", "d/2.pgm", "d/A.pgm", "d/a.pgm", "top/d/0.pgm"]
    source = folder(store, path=path)
    assert source.load(np.arange(5))["x"][:, 0, 0, 0].tolist() == [1, 3, 4, 5, 7]
    assert "1 linked within a zip ('d/link.pgm'), 1 replaced by another of its name ('d/2.pgm')" in said(source)


def test_backslashes_separate_where_no_slash_does(tmp_path, store):
    path = zipped(tmp_path / "w.zip", [("p\\A\\0.pgm", grey()), ("p\\B\\0.pgm", grey()), ("p\\C\\", b"")])
    assert folder(store, path=path, labels=True).spec.classes == ("A", "B")
    assert names(zipped(tmp_path / "u.zip", [("p/a\\b.pgm", grey()), ("q.pgm", grey())])) == ["p/a\\b.pgm", "q.pgm"]


# classes


@BOTH
@pytest.mark.parametrize(
    ("files", "words"),
    [
        (some("only"), ("all images are in one folder, 'only'", "dataset.json")),
        ({**some("A", "B"), "x.pgm": grey()}, ("'x.pgm' is in no subfolder, as 1 of 5 images are",)),
        ({"cat.1.pgm": grey(), "dog.1.pgm": grey(), "labels.csv": b""}, ("'cat.1.pgm'", "no subfolder", "labels.csv")),
        (some("train/cat", "train/dog", "val/cat"), ("parts of a data set", "train")),
        (some("images/train2017", "images/val2017"), ("parts of a data set", "2017")),
        (some("Training/0", "Testing/0"), ("parts of a data set", "Te")),
        (some("images", "masks"), ("parts of a data set",)),
        ({**some("A"), "B/0.avif": b""}, ("all images are in one folder, 'A'", "1 .avif ('B/0.avif')")),
    ],
    ids=["one", "loose", "flat", "ImageFolder", "COCO", "MNIST", "masks", "unreadable"],
)
def test_folders_that_are_no_classes_are_refused_with_a_reason_that_is_true(tmp_path, store, files, words, form):
    refused(lambda: folder(store, path=made(tmp_path / "set", files, form), labels=True), "set", *words)


def test_the_path_that_a_refusal_names_does(tmp_path, store):
    path = filled(tmp_path / "set", some("in/train/cat", "in/train/dog", "in/val/cat"))
    refused(lambda: folder(store, path=path, labels=True), f'path = "{path}/in/train"')
    assert folder(store, path=path / "in" / "train", labels=True).spec.classes == ("cat", "dog")
    assert "are read as one" in said(folder(store, path=path))


@pytest.mark.parametrize(
    ("files", "classes", "words"),
    [
        (some("images/001.Albatross", "images/002.Auk"), ("001.Albatross", "002.Auk"), ""),  # CUB
        (some("train", "bus"), ("bus", "train"), ""),
        (some("trainA", "trainB"), ("trainA", "trainB"), ""),
        (some("a/b/c", "x/y"), ("a", "x"), ""),
        ({f"{k:05d}/{i:05d}_00000.pgm": grey() for k in (0, 1) for i in (0, 1)}, ("00000", "00001"), ""),  # GTSRB
        ({f"{i // 2:05d}/img{i:08d}.pgm": grey() for i in range(4)}, ("00000", "00001"), "look like shards"),
        ({f"{k}000/{k}00{i}.pgm": grey() for k in (10, 11) for i in (0, 1)}, ("10000", "11000"), "look like shards"),
        ({**some("A", "B"), "C/x.avif": b"", "D/x.txt": b""}, ("A", "B"), "without an image are no classes: 'C', 'D'"),
        (some("Cat", "cat", "dog"), ("Cat", "cat", "dog"), "almost one name: 'Cat', 'cat'"),
        (some("é", "e\u0301"), ("e\u0301", "é"), "almost one name"),
        ({**some("A", "B"), "dataset.json": b'{"name": "mine"}'}, ("A", "B"), "lists no labels: a folder is a class"),
    ],
)
def test_folders_that_are_classes_and_what_speaks_against_it(tmp_path, store, files, classes, words):
    source = folder(store, path=filled(tmp_path / "set", files), labels=True)
    assert source.spec.classes == classes
    assert words in said(source)
    assert words or not source.remarks


# dataset.json

SHARDS = {f"{i // 2:05d}/img{i:08d}.pgm": grey(i) for i in range(4)}


def listed(labels):
    return json.dumps({"labels": [list(pair) for pair in zip(SHARDS, labels, strict=True)]}).encode()


@BOTH
@pytest.mark.parametrize("within", ["", "ffhq/"])
def test_labels_of_a_stylegan_set(tmp_path, store, form, within):
    files = {f"{within}{name}": content for name, content in {**SHARDS, "dataset.json": listed([1, 0, 0, 1])}.items()}
    path = made(tmp_path / "set", files, form)
    source = folder(store, path=path, labels=True)
    assert (source.spec.classes, source.labels.tolist(), source.remarks) == (("0", "1"), [1, 0, 0, 1], ())
    assert source.load(np.array([3]))["y"].tolist() == [1]
    assert folder(store, path=path).spec.classes == ()
    assert folder(store, path=path).remarks == ()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + listed([2, 0, 1, 2]),
        json.dumps({"labels": dict(zip(SHARDS, [2, 0, 1, 2], strict=True))}).encode(),
        listed([2, 0, 1, 2]).replace(b"/", b"\\\\"),
    ],
    ids=["BOM", "table", "backslashes"],
)
def test_other_writings_of_it(tmp_path, store, content):
    path = filled(tmp_path / "set", {**SHARDS, "dataset.json": content})
    assert folder(store, path=path, labels=True).labels.tolist() == [2, 0, 1, 2]


def test_labels_decide_the_fingerprint_and_what_is_odd_about_them_is_said(tmp_path, store):
    path = filled(tmp_path / "set", {**SHARDS, "dataset.json": listed([0, 1, 0, 1])})
    first, unlabelled = (folder(store, path=path, labels=labels).fingerprint for labels in (True, False))
    content = {"labels": [*json.loads(listed([0, 1, 0, 4]))["labels"], ["gone.png", 1]]}
    filled(path, {"dataset.json": json.dumps(content).encode()})
    source = folder(store, path=path, labels=True)
    assert source.fingerprint != first
    assert folder(store, path=path).fingerprint == unlabelled
    assert source.spec.shares == (0.5, 0.25, 0, 0, 0.25)
    assert "images that are not read (1): 'gone.png'" in said(source)
    assert "no image the label 2: 2 of 5 classes are empty" in said(source)


def test_a_set_of_one_shard_has_classes(tmp_path, store):
    path = filled(tmp_path / "set", some("00000"))
    filled(path, {"dataset.json": b'{"labels": [["00000/0.pgm", 1], ["00000/1.pgm", 0]]}'})
    assert folder(store, path=path, labels=True).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"labels": null}', ("null", "labels = false")),
        (listed([0, 1, 0, 1])[:-20], ("no JSON text", '{"labels": [["a/1.png", 0]')),
        (b"", ("no JSON text",)),
        (listed([0, 1, 0, 0.5]), ("img00000003.pgm", "0.5", "whole number")),
        (listed([0, 1, 0, True]), ("True", "whole number")),
        (listed([0, 1, 0, "cat"]), ("cat", "whole number")),
        (listed([[0.1, 0.2], 1, 0, 1]), ("2 numbers", "img00000000.pgm", "a condition")),
        (listed([0, 1, 0, -1]), ("-1", "0 .. 99,999")),
        (listed([0, 1, 0, 2**40]), ("1099511627776", "0 .. 99,999")),
        (listed([0, 1, 0, 1]).replace(b"img00000003", b"other"), ("no label of 1 of 4 images", "img00000003.pgm")),
        (listed([0, 1, 0, 1]).replace(b"img00000001", b"img00000000"), ("img00000000.pgm' twice, 0 and 1",)),
        (b'{"labels": 3}', ("no list",)),
        (b"[" * 100_000, ("no JSON text",)),
        (b" " * 2_000_000, ("more than 1,064,960 bytes",)),
    ],
)
def test_a_dataset_json_that_will_not_do(tmp_path, store, content, words):
    path = filled(tmp_path / "set", {**SHARDS, "dataset.json": content})
    refused(lambda: folder(store, path=path, labels=True), f"{path}: dataset.json", *words)
    assert folder(store, path=path).size == 4


def test_a_dataset_json_that_is_a_bomb(tmp_path, store):
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in SHARDS.items():
            archive.writestr(name, content)
        archive.writestr("dataset.json", bytes(65 << 20))
    refused(lambda: folder(store, path=path, labels=True), "dataset.json", "decompression bomb")


# the odd one out


def test_files_that_differ_are_named(tmp_path, store):
    path = filled(tmp_path / "set", {**some("."), "2.pgm": grey(), "odd.pgm": grey(width=9)})
    source = folder(store, path=path)
    refused(lambda: images.fit(source), "size = 64", "'odd.pgm' is 9 x 1; 3 of 4 are 2 x 1")
    refused(lambda: image_sets.open_set(str(path), store, image_sets.Fit()), "--size 64", "'odd.pgm' is 9 x 1")
    filled(path, {f"{i}.pgm": grey(width=i) for i in (5, 6, 7)})
    refused(
        lambda: images.fit(folder(store, path=path)), "'5.pgm' is 5 x 1", "'7.pgm' is 7 x 1 and 1 more differ; 3 of 7"
    )


def test_the_file_that_makes_all_others_coloured_is_named(tmp_path, store):
    path = filled(tmp_path / "set", {**some(".", count=3), "odd.ppm": RGB})
    fitted = images.fit(folder(store, path=path))
    assert fitted.spec.shape[2] == 3
    assert "'odd.ppm' is RGB; 3 of 4 are grey; all become RGB" in said(fitted)
    assert images.fit(folder(store, path=path), channels=1).remarks == ()


# who is told


@pytest.fixture
def recipe(tmp_path):
    """A recipe for a folder with something left out."""
    filled(tmp_path / "set", {**some("A", "B"), "note.txt": b"", "A/odd.pgm": grey(width=3)})
    (tmp_path / "r.toml").write_text(f'[data]\nsource = "folder"\npath = "{tmp_path / "set"}"\nsize = 4\n')
    return tmp_path / "r.toml"


def test_a_remark_is_told_once(recipe, store, notes):
    data = datasets.data_table({"data": {"source": "folder", "path": str(recipe.parent / "set"), "size": 4}}, "r", None)
    for _ in range(2):
        datasets.load_source(data, store)
    image_sets.open_set(str(recipe), store, image_sets.Fit())
    assert notes == [f"{recipe.parent / 'set'}: left out: 1 .txt ('note.txt')"]


def test_data_check_says_what_was_made_of_the_folders(gan, recipe):
    code, out, err = gan("data", "check", recipe, "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["layout"] == "2 folders: 'A', 'B'; no classes (labels = true would make 2 classes from these folders)"
    assert report["remarks"] == [f"{recipe.parent / 'set'}: left out: 1 .txt ('note.txt')"]
    assert report["files"]["sizes"][1] == {"width": 3, "height": 1, "count": 1, "first": "A/odd.pgm"}
    code, out, err = gan("data", "check", recipe, "--set", "data.labels=true")
    assert (code, err) == (0, "")
    assert out.count("left out") == 1
    assert "2 classes from these folders" in out
    assert "2 x 1 (4), 3 x 1 (1: A/odd.pgm)" in out


def test_data_check_looks_at_images_whose_labels_are_refused(gan, recipe):
    filled(recipe.parent / "set", {"x.pgm": grey(), "dataset.json": b"{", "A/bad.pgm": b"x"})
    code, out, err = gan("data", "check", recipe, "--set", "data.labels=true", "--json")
    report = json.loads(out)
    assert (code, err) == (1, "")
    assert (report["examples"], report["readable"], report["classes"]) == (7, 6, [])
    assert report["layout"].endswith("no classes")
    assert "no JSON text" in "\n".join(report["problems"])
    assert "cannot be read" in report["problems"][0]
