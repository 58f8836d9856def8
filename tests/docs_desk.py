"""Runs the blocks of a page, made so small that each takes seconds: tests/test_docs.py says how."""

import gzip
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from docs_pages import ASSIGNMENT, ROOT, Block, commands
from PIL import Image

from gan_cli import recipe

BASE = "dcgan_digits"  # what tables on a page that are no whole recipe are put into
MOST = 1000  # images that are judged
STEPS, BATCH = 4, 8
SMALL_NETS = {"width": 4, "max_width": 8, "hidden": [8], "minibatch_kernels": 2, "code": 4}
ALWAYS = ("width", "max_width", "hidden")  # made small also where the recipe leaves their defaults
LAB = {
    "disjoint-lines": ("steps=3", "lines=2", "seeds=1"),
    "fgan": ("steps=3", "seeds=1", 'only=["kl"]'),
    "generator-losses": (),
    "optimal-discriminator": ("steps=3",),
}


def standing_in_for_mnist(folder: Path) -> None:
    """MNIST's four files with scikit-learn's digits in them, 28x28; those to test with are a pixel further down."""
    from sklearn.datasets import load_digits

    data = load_digits()
    ink = np.round(data.images * (255 / 16)).astype(np.uint8)
    large = np.pad(np.kron(ink, np.ones((1, 3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)))  # [1797, 28, 28]
    folder.mkdir(parents=True)
    for prefix, images in (("train", large), ("t10k", np.roll(large, 1, axis=1))):
        for kind, array in (("images-idx3", images), ("labels-idx1", data.target.astype(np.uint8))):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes(), 1))


def photos(folder: Path) -> None:
    """200 small pictures in two classes, of several sizes."""
    rng = np.random.default_rng(0)
    for i in range(200):
        place = folder / ("cats" if i % 2 else "dogs") / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((40 + i % 8, 36)).save(place)


class Service:
    """Runs a page's blocks, in their order, in the current folder."""

    def __init__(self, gan: Any, monkeypatch: pytest.MonkeyPatch):
        self.gan, self.monkeypatch = gan, monkeypatch
        self.namespace: dict[str, Any] = {"__name__": "__main__"}

    def lay_out(self) -> None:
        """Put there what pages speak of: the recipes, a folder of photographs, data sets in DIR."""
        from gan_cli.data import fashion_mnist, idx, mnist

        self.monkeypatch.setenv("GAN_DATA_DIR", str(Path("DIR").resolve()))
        self.monkeypatch.setattr(idx, "COUNTS", {"train": 1797, "test": 1797})
        for source in (mnist, fashion_mnist):
            self.monkeypatch.setattr(source, "PUBLISHED", source.PUBLISHED._replace(sha256={}))
            standing_in_for_mnist(Path("DIR", source.PUBLISHED.name))
        os.symlink(ROOT / "recipes", "recipes")
        photos(Path("my_photos"))

    def run(self, block: Block) -> None:
        named = re.match(r"# (\S+\.(?:py|toml))\n", block.text)
        if named:
            Path(named[1]).write_text(block.text, encoding="utf-8")
        if block.language == "toml":
            self.check(block, Path(named[1]) if named else Path("block.toml"))
        elif block.language == "python" and not named:
            exec(compile(block.text, str(block), "exec"), self.namespace)
        elif block.language == "sh":
            for words in commands(block):
                self.command(words, block)

    def command(self, words: list[str], block: Block) -> None:
        with self.monkeypatch.context() as patch:
            while ASSIGNMENT.match(words[0]):
                patch.setenv(*words.pop(0).split("=", 1))
            if words[0] == "python" and not words[1].startswith(("scripts/", "-")):
                subprocess.run([sys.executable, *words[1:]], check=True)
            elif words[0] == "gan":
                if words[1] in ("train", "compare"):
                    patch.setattr(
                        recipe,
                        "read_tables",
                        lambda path, given=(), real=recipe.read_tables: made_small(real(path, given)),
                    )
                code, out, err = self.gan(*shortened(words)[1:])
                assert code == 0, f"{block}: {' '.join(words)}\n{out}\n{err}"

    def check(self, block: Block, path: Path) -> None:
        """A whole recipe, or tables that could stand in one."""
        tables = tomllib.loads(block.text)
        if not {"data", "networks", "game", "optimisers"} <= tables.keys() and recipe.LIKE not in tables:
            whole = recipe.read_tables(recipe.find_recipe(BASE))
            for name, table in tables.items():
                whole[name] = {**whole.get(name, {}), **table} if name not in ("data", "game") else table
            tables, path = whole, Path("whole.toml")
        path.write_text(block.text if path.name != "whole.toml" else tomli_w.dumps(tables), encoding="utf-8")
        code, out, err = self.gan("recipe", "check", path)
        assert code == 0, f"{block}: {out}{err}"


def shortened(words: list[str]) -> list[str]:
    """The command so that it takes seconds."""
    verb, words = words[1], list(words)
    if "--dry-run" in words and verb == "train":
        words += ["--no-trial"]
    if verb == "compare":
        words += ["--seeds", "0", "--n", str(MOST)]
    if verb == "project":
        words += ["--steps", "3"]
    if verb == "lab" and len(words) > 2:
        words += [part for option in LAB[words[2]] for part in ("--set", option)]
    if verb == "eval" and "--ckpt" in words:
        asked = int(words[words.index("--n") + 1]) if "--n" in words else MOST
        words += ["--n", str(min(asked, MOST)), "--n-real", str(MOST)]
    return words


def made_small(tables: dict[str, Any]) -> dict[str, Any]:
    """The recipe with networks of a few units, four steps and few samples; data, game and losses are as they are."""
    from gan_cli import build

    for table in tables.get("networks", {}).values():
        try:
            options = inspect.signature(build.NETWORK.find(table["net"])).parameters
        except (KeyError, ValueError):
            continue  # for the command to refuse
        table.update({k: v for k, v in SMALL_NETS.items() if k in table or (k in ALWAYS and k in options)})
    train = tables.setdefault("train", {})
    train |= {"steps": STEPS, "batch": BATCH * train.get("accumulate", 1), "steps_per_call": 2}
    train.setdefault("convolutions", "lax")  # the smaller program: quicker to trace and to compile
    tables["run"] = tables.get("run", {}) | {"log_every": 1, "sample_every": 2, "checkpoint_every": 2}
    tables["monitor"] = tables.get("monitor", {}) | {"every": 0}
    if tables.get("eval", {}).get("every"):
        tables["eval"] |= {"every": 4, "n": 1000, "n_real": 1000}
    return tables
