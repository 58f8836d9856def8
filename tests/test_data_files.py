"""Published data sets: real MNIST, damaged copies of it, and downloads from a real server on this machine."""

import gzip
import hashlib
import io
import shutil
import socketserver
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from gan_cli.data import cifar10 as cifar_module
from gan_cli.data import fashion_mnist as fashion_module
from gan_cli.data import idx
from gan_cli.data import kmnist as kmnist_module
from gan_cli.data import mnist as mnist_module
from gan_cli.data.cifar10 import cifar10
from gan_cli.data.digits import digits
from gan_cli.data.fashion_mnist import fashion_mnist
from gan_cli.data.kmnist import kmnist
from gan_cli.data.mnist import mnist
from gan_cli.data.store import Asset, DamagedError, Store, user_cache
from gan_cli.errors import InputError

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture
def notes():
    return []


@pytest.fixture
def store(tmp_path, notes):
    """A store with empty folders of its own and no way out."""
    (tmp_path / "data").mkdir()
    return Store(tmp_path / "data", tmp_path / "cache", download=False, note=notes.append)


def refused(make, *words):
    """`make` raises InputError whose message holds all the words."""
    with pytest.raises(InputError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def idx_file(array):
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.astype(np.uint8).tobytes()


# digits


def test_digits_are_embedded_and_split_in_halves(store):
    train, test, everything = (digits(store, split=split) for split in ("train", "test", "all"))
    assert (train.size, test.size, everything.size) == (898, 899, 1797)
    assert train.spec.shape == (8, 8, 1)
    assert train.spec.classes == tuple("0123456789")
    examples = everything.load(np.arange(1797))
    assert examples["x"].dtype == np.uint8
    assert (examples["x"].min(), examples["x"].max()) == (0, 255)
    assert set(np.unique(examples["y"])) == set(range(10))
    np.testing.assert_array_equal(test.load(np.arange(899))["x"], examples["x"][898:])
    assert len({train.fingerprint, test.fingerprint, everything.fingerprint}) == 3
    assert digits(store).fingerprint == train.fingerprint


def test_digits_are_those_that_scikit_learn_loads(store, monkeypatch):
    """Its file is read without it; where a release keeps that elsewhere, it loads them itself."""
    ours = digits(store, split="all")
    monkeypatch.setattr("gan_cli.data.digits.find_spec", lambda name: None)
    theirs = digits(store, split="all")
    assert (ours.fingerprint, ours.spec) == (theirs.fingerprint, theirs.spec)


# MNIST


@pytest.mark.parametrize(
    ("split", "size", "first"), [("train", 60_000, [5, 0, 4, 1, 9]), ("test", 10_000, [7, 2, 1, 0, 4])]
)
def test_real_mnist(mnist_dir, split, size, first):
    source = mnist(Store(mnist_dir.parent, download=False), split=split)
    assert (source.size, source.spec.shape) == (size, (28, 28, 1))
    examples = source.load(np.arange(5))
    assert examples["x"].dtype == np.uint8
    assert examples["y"].dtype == np.int32
    assert examples["y"].tolist() == first


@pytest.fixture
def raw_mnist(mnist_dir, store):
    """MNIST's test files, unpacked, in the store's data folder."""
    folder = store.data_dir / "mnist"
    folder.mkdir()
    for name in (IMAGES, LABELS):
        (folder / name).write_bytes(gzip.decompress((mnist_dir / f"{name}.gz").read_bytes()))
    return folder


def test_raw_equals_gzipped_wherever_it_lies(mnist_dir, raw_mnist, store):
    raw = mnist(store, split="test")
    assert mnist(Store(mnist_dir, download=False), split="test").fingerprint == raw.fingerprint
    for name in (IMAGES, LABELS):
        shutil.move(raw_mnist / name, store.data_dir / name)
    assert mnist(store, split="test").fingerprint == raw.fingerprint


def test_truncated_raw_file_is_named(raw_mnist, store):
    path = raw_mnist / IMAGES
    path.write_bytes(path.read_bytes()[:5_000_000])
    refused(lambda: mnist(store, split="test"), str(path), "truncated", "10000 x 28 x 28 = 7840000", "put a whole copy")
    assert path.stat().st_size == 5_000_000  # the user's own file is not touched


def test_truncated_gzip_is_named(mnist_dir, store):
    whole = (mnist_dir / f"{IMAGES}.gz").read_bytes()
    (store.data_dir / f"{IMAGES}.gz").write_bytes(whole[:100_000])
    refused(lambda: mnist(store, split="test"), f"{IMAGES}.gz", "truncated", "remove it to have it downloaded")


def test_flipped_bit_is_found(mnist_dir, raw_mnist, store):
    path = raw_mnist / IMAGES
    content = bytearray(path.read_bytes())
    content[1234] ^= 1
    path.write_bytes(content)
    refused(
        lambda: mnist(store, split="test"),
        str(path),
        "SHA-256",
        mnist_module.PUBLISHED.sha256[IMAGES],
        hashlib.sha256(content).hexdigest(),
    )

    packed = bytearray((mnist_dir / f"{IMAGES}.gz").read_bytes())
    packed[len(packed) // 2] ^= 1
    path.unlink()
    (raw_mnist / f"{IMAGES}.gz").write_bytes(packed)
    refused(lambda: mnist(store, split="test"), f"{IMAGES}.gz", "not a sound gzip file")


def test_another_file_under_the_right_name(raw_mnist, store):
    shutil.copy(raw_mnist / LABELS, raw_mnist / IMAGES)
    refused(lambda: mnist(store, split="test"), IMAGES, "shape (10000,)", "(10000, 28, 28) is wanted")
    (raw_mnist / IMAGES).write_bytes(b"<html>not found</html>")
    refused(lambda: mnist(store, split="test"), IMAGES, "not an IDX file", "3c 68 74 6d")


def test_mnist_is_not_taken_for_its_look_alikes(mnist_dir, raw_mnist, store):
    refused(lambda: fashion_mnist(Store(mnist_dir, download=False), split="test"), "SHA-256")
    refused(lambda: kmnist(Store(mnist_dir, download=False), split="test"), "SHA-256")
    for name in (IMAGES, LABELS):
        shutil.move(raw_mnist / name, store.data_dir / name)
    refused(lambda: kmnist(store, split="test"), "is not here", "DIR/kmnist/")  # raw: cannot be verified


def test_missing_files_say_where_to_put_them(store):
    refused(
        lambda: mnist(store), "train-images-idx3-ubyte.gz", "is not here", "DIR/mnist/", "--data-dir", "GAN_DATA_DIR"
    )


# the IDX format


def test_idx_of_any_rank():
    for shape in ((3,), (2, 3), (2, 3, 4)):
        array = np.arange(np.prod(shape)).reshape(shape)
        np.testing.assert_array_equal(idx.parse_idx(idx_file(array)), array)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "not an IDX file"),  # floats
        (b"\0\0\x08\x03\0\0", "header of 16"),
        (idx_file(np.ones(4))[:-1], "truncated: its header promises 4 = 4 bytes, 3 follow"),
        (idx_file(np.ones(4)) + b"x", "too long"),
    ],
)
def test_malformed_idx(content, why):
    with pytest.raises(DamagedError, match=why):
        idx.parse_idx(content)


# where files come from


def test_folders_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_DATA_DIR", str(tmp_path))
    assert Store.from_environment().data_dir == tmp_path
    monkeypatch.setenv("GAN_DATA_DIR", str(tmp_path / "none"))
    refused(Store.from_environment, "none: no such folder")
    monkeypatch.setenv("GAN_CACHE_DIR", str(tmp_path / "kept"))
    assert user_cache() == tmp_path / "kept"
    monkeypatch.delenv("GAN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Store().cache_dir == tmp_path / "xdg" / "gan"


CONTENT = idx_file(np.arange(200))
PACKED = gzip.compress(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves good files, and bad ones in the ways that mirrors are bad."""

    def do_GET(self):
        folder = self.path.split("/")[1]
        if folder == "gone":
            self.send_error(404)
            return
        body = {"other": gzip.compress(idx_file(np.zeros(200))), "page": b"<html>sign in</html>"}.get(folder, PACKED)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if folder == "truncated" else body)

    def log_message(self, *arguments):
        pass


@contextmanager
def served(handler):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server():
    with served(Handler) as url:
        yield url


@pytest.fixture
def online(tmp_path, notes):
    return Store(None, tmp_path / "cache", note=notes.append)


def asset(server, *folders):
    return Asset("tiny.gz", tuple(f"{server}{folder}/" for folder in folders), sha256=SHA256)


def cached_files(store):
    return sorted(path.name for path in store.cache_dir.rglob("*") if path.is_file())


def test_download_is_kept_and_used_again(server, online, notes):
    np.testing.assert_array_equal(online.read("tiny", asset(server, "good"), idx.parse_idx), np.arange(200))
    assert cached_files(online) == ["tiny.gz"]
    assert notes == [f"downloading {server}good/tiny.gz"]
    online.read("tiny", asset("http://127.0.0.1:9/", "nobody"), idx.parse_idx)
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("folder", "why"),
    [("truncated", "bytes arrived"), ("other", "SHA-256"), ("page", "not an IDX file"), ("gone", "404")],
)
def test_bad_mirror_leaves_nothing_and_is_explained(server, online, folder, why):
    refused(lambda: online.read("tiny", asset(server, folder), idx.parse_idx), f"{folder}/tiny.gz", why, "DIR/tiny/")
    assert cached_files(online) == []


def test_next_mirror_is_tried(server, online):
    online.read("tiny", asset(server, "gone", "truncated", "other", "good"), idx.parse_idx)
    assert cached_files(online) == ["tiny.gz"]


def test_nobody_listens(online):
    with socketserver.TCPServer(("127.0.0.1", 0), None) as taken:
        port = taken.server_address[1]
    refused(lambda: online.read("tiny", asset(f"http://127.0.0.1:{port}/", "x"), idx.parse_idx), "refused", "tiny.gz")


def test_interrupted_download_leaves_nothing(server, online):
    def interrupt(content):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        online.read("tiny", asset(server, "good"), interrupt)
    assert cached_files(online) == []


def test_damaged_cache_is_fetched_anew(server, online, notes):
    online.read("tiny", asset(server, "good"), idx.parse_idx)
    path = online.cache_dir / "tiny" / "tiny.gz"
    path.write_bytes(PACKED[:40])
    online.read("tiny", asset(server, "good"), idx.parse_idx)
    assert path.read_bytes() == PACKED
    assert any("downloading it again" in note for note in notes)


def test_unwritable_cache_is_named(server, tmp_path, notes):
    (tmp_path / "file").write_text("")
    store = Store(None, tmp_path / "file" / "cache", note=notes.append)
    refused(lambda: store.read("tiny", asset(server, "good"), idx.parse_idx), "cannot be written", "GAN_CACHE_DIR")


def test_published_checksum_binds_the_published_file_only(store):
    known = Asset("tiny.gz", published_sha256=hashlib.sha256(PACKED).hexdigest())
    folder = store.data_dir / "tiny"
    folder.mkdir()
    (folder / "tiny.gz").write_bytes(PACKED)
    store.read("tiny", known, idx.parse_idx)
    (folder / "tiny.gz").write_bytes(gzip.compress(CONTENT, 1, mtime=1))
    refused(lambda: store.read("tiny", known, idx.parse_idx), "SHA-256 of its file")
    (folder / "tiny.gz").unlink()
    (folder / "tiny").write_bytes(CONTENT)
    store.read("tiny", known, idx.parse_idx)


# CIFAR-10


@pytest.fixture
def small_cifar(monkeypatch):
    """CIFAR-10's layout with 4 records a file: the files' contents by name."""
    records = {name: random_records(seed) for seed, name in enumerate(cifar_module.SHA256)}
    monkeypatch.setattr(cifar_module, "RECORDS", 4)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in records.items()}
    monkeypatch.setattr(cifar_module, "SHA256", sums)
    return records


def random_records(seed):
    records = np.random.default_rng(seed).integers(0, 256, (4, cifar_module.RECORD), np.uint8)
    records[:, 0] = [seed, 1, 2, 9]
    return records.tobytes()


def packed(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_cifar_from_archive_and_unpacked(small_cifar, store, monkeypatch):
    archive = packed(small_cifar)
    known = cifar_module.ARCHIVE._replace(published_sha256=hashlib.sha256(archive).hexdigest())
    monkeypatch.setattr(cifar_module, "ARCHIVE", known)
    (store.data_dir / known.name).write_bytes(archive)
    train, test = cifar10(store), cifar10(store, split="test")
    assert (train.size, test.size, train.spec.shape) == (20, 4, (32, 32, 3))
    examples = train.load(np.arange(20))
    assert examples["y"].tolist()[::4] == [0, 1, 2, 3, 4]
    second = np.frombuffer(small_cifar["data_batch_1.bin"], np.uint8).reshape(4, -1)[1, 1:]
    np.testing.assert_array_equal(examples["x"][1, :, :, 2], second.reshape(3, 32, 32)[2])  # the blue plane

    (store.data_dir / known.name).unlink()
    folder = store.data_dir / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name, content in small_cifar.items():
        (folder / name).write_bytes(content)
    assert cifar10(store).fingerprint == train.fingerprint

    (folder / "data_batch_3.bin").write_bytes(small_cifar["data_batch_3.bin"][:-7])
    refused(lambda: cifar10(store), "data_batch_3.bin", "truncated", "3073")
    (folder / "data_batch_3.bin").unlink()
    refused(lambda: cifar10(store), "data_batch_3.bin", "is not here")


def test_cifar_archive_with_wrong_content(small_cifar, store):
    path = store.data_dir / "cifar-10-binary.tar.gz"
    path.write_bytes(packed({**small_cifar, "data_batch_2.bin": random_records(8)}))
    refused(lambda: cifar10(store), "cifar-10-binary.tar.gz", "SHA-256 of data_batch_2.bin")
    path.write_bytes(packed({"readme.html": b"hello"}))
    refused(lambda: cifar10(store), "has no cifar-10-batches-bin/data_batch_1.bin")
    path.write_bytes(gzip.compress(b"x" * 2000))
    refused(lambda: cifar10(store), "not a sound tar archive")


def test_what_is_published_has_every_checksum():
    for module in (mnist_module, fashion_module, kmnist_module):
        published = module.PUBLISHED
        known = published.sha256 or published.gz_sha256
        assert sorted(known) == sorted(name for pair in idx.FILES.values() for name in pair)
        assert all(len(checksum) == 64 for checksum in known.values())
        assert len(published.classes) == 10
        assert len(published.mirrors) == 2
