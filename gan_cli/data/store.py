"""Files of published data sets: found in the user's folder or cache, otherwise downloaded, and always verified."""

import hashlib
import http.client
import os
import pkgutil
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TypeVar

from gan_cli.data.packed import contents, gunzipped
from gan_cli.errors import DamagedError, InputError, printable
from gan_cli.files import atomic, make_folder
from gan_cli.remote import user_cache
from gan_cli.remote.fetch import fetched
from gan_cli.remote.place import is_url

T = TypeVar("T")
TIMEOUT = 30  # seconds without a byte before a mirror is given up
LONGEST = 3600  # seconds of one download, however steadily its bytes drip
LARGEST = 1 << 30  # bytes of a published file and of its content, where the asset says no less
LEVELS = 4  # folders above a recipe or run in which its data are looked for
CHUNK = 1 << 16  # bytes written at once


class Asset(NamedTuple):
    """A file of a published data set."""

    name: str  # as published: "train-images-idx3-ubyte.gz"
    mirrors: tuple[str, ...] = ()  # folders on the web that hold it, tried in order
    sha256: str = ""  # checksum of the content, uncompressed
    published_sha256: str = ""  # checksum of the file as published, where nobody publishes one of its content
    largest: int = LARGEST  # the most bytes that its content may have

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which it may lie on disk: as published, and unpacked."""
        return (self.name, self.name.removesuffix(".gz")) if self.name.endswith(".gz") else (self.name,)

    @property
    def longest(self) -> int:
        """Bytes of the file at most: gzip makes what it cannot compress a little longer."""
        return self.largest + self.largest // 1000 + 1024


class Origin(NamedTuple):
    """Where the files of a published data set come from."""

    dataset: str  # the folder that they lie in: "mnist"
    files: tuple[Asset, ...]  # as a person may have them
    hub: str = ""  # the data set's name on the Hugging Face Hub


@dataclass(frozen=True)
class Store:
    """Where data sets come from: a person's own folder, the cache, mirrors on the web."""

    data_dir: Path | None = None  # the user's own files: DIR/<data set>/<file> or DIR/<file>
    cache_dir: Path = field(default_factory=user_cache)
    download: bool = True  # False: only files that are here already
    follow: bool = True  # False: what a recipe names by a URL is left alone
    # Told what takes time or was left out.
    note: Callable[[str], None] = lambda message: print(printable(message), file=sys.stderr)
    told: set[str] = field(default_factory=set, compare=False, repr=False)  # what `tell` has said
    beside: Path | None = None  # a recipe file or run folder: relative paths are looked for in the folders above it

    @classmethod
    def from_environment(cls, data_dir: Path | None = None) -> "Store":
        """The store at `data_dir` or, when that is None, $GAN_DATA_DIR; raises InputError when it is no folder.

        $GAN_OFFLINE, set to anything, forbids downloads.
        """
        named = os.environ.get("GAN_DATA_DIR")
        if data_dir is None and named:
            data_dir = Path(named)
        if data_dir is not None and not data_dir.is_dir():
            raise InputError(f"{data_dir}: no such folder; --data-dir or GAN_DATA_DIR names the folder with the data")
        return cls(data_dir=data_dir, download=not os.environ.get("GAN_OFFLINE"))

    def tell(self, message: str) -> None:
        """Note a message once, however often data are read."""
        if message not in self.told:
            self.told.add(message)
            self.note(message)

    def read(self, dataset: str, asset: Asset, parse: Callable[[bytes], T]) -> T:
        """`parse` of the asset's verified content; it raises DamagedError with the reason when that cannot be right.

        The user's own file comes first and is never replaced; then the cache, where a damaged file is fetched anew.
        Raises InputError that names the file and the mend.
        """
        if path := self.find_own(dataset, asset):
            try:
                return _verified(contents(path, asset.longest), asset, parse, packed=path.name == asset.name)
            except DamagedError as error:
                mend = "put a whole copy there, or remove it to have it downloaded"
                raise InputError(f"{path}: {error}; {mend if asset.mirrors else 'put a whole copy there'}") from None
            except OSError as error:
                raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        cached = self.cache_dir / dataset / asset.name
        if cached.is_file():
            try:
                return _verified(contents(cached, asset.longest), asset, parse)
            except (DamagedError, OSError) as error:
                self.note(f"{cached}: {error}; downloading it again")
        return self._fetch(cached, dataset, asset, parse)

    def find_own(self, dataset: str, asset: Asset) -> Path | None:
        """The asset among the user's own files, or None."""
        if self.data_dir is None:
            return None
        # What cannot be verified must lie in the data set's own folder: MNIST's look-alikes have the same file names.
        anywhere = asset.names if asset.sha256 else (asset.name,)
        places = [self.data_dir / dataset / name for name in asset.names] + [self.data_dir / name for name in anywhere]
        return next((place for place in places if place.is_file()), None)

    def near(self, where: Path) -> "Store":
        """The same store, for which relative paths are looked for beside the recipe file or run folder `where`, too."""
        return replace(self, beside=where.resolve())

    def locate(self, path: Path) -> Path:
        """Where a recipe's path leads: as it is, below the data folder, or beside the recipe or run; for a URL, a copy.

        The places are tried in this order. Raises InputError where there is nothing at any of them.
        """
        if not self.follow and is_url(path):
            raise InputError(f"[data] path = {str(path)!r}: is a URL, which is not asked for this")
        path = fetched(path, self.note)
        try:
            path = path.expanduser()
        except RuntimeError as error:  # of a user who is not there
            raise InputError(f"[data] path = {str(path)!r}: {error}") from None
        # Where a person says that it is. The data folder may have the last part of a path from another machine.
        named = [path]
        if self.data_dir is not None:
            named = list(dict.fromkeys([path, self.data_dir / path, self.data_dir / path.name]))
        # Where a relative path of a recipe or run leads that was written for another working folder.
        around = []
        if self.beside is not None and not path.is_absolute():
            above = [folder for folder in self.beside.parents if folder != folder.parent]
            around = [folder / path for folder in above[:LEVELS]]
        for place in [*named, *around]:
            with suppress(OSError, ValueError):  # too long, a folder one may not look into, a null byte
                if place.exists():
                    if place not in named:
                        self.note(f"[data] path = {str(path)!r}: found at {place}")
                    return place
        tried = " nor ".join(map(str, named))
        raise InputError(f"[data] path = {str(path)!r}: no such file or folder ({tried}); {_mend_of_path(path)}")

    def _fetch(self, target: Path, dataset: str, asset: Asset, parse: Callable[[bytes], T]) -> T:
        """Download from the first mirror that delivers; the file gets its name only after it was verified."""
        failures = []
        if self.download and asset.mirrors:
            make_folder(target.parent, "set GAN_CACHE_DIR to a folder")
        for mirror in asset.mirrors if self.download else ():
            url = mirror + asset.name
            self.note(f"downloading {url}")
            try:
                with atomic(target) as part:
                    _download(url, part, asset.longest)
                    return _verified(part.read_bytes(), asset, parse)
            except (DamagedError, OSError, http.client.HTTPException) as error:
                failures.append(f"{url}: {error}")
        why = "could not be downloaded:\n  " + "\n  ".join(failures) + "\n" if failures else "is not here; "
        put = f"put {' or '.join(asset.names)} into DIR/{dataset}/ and say --data-dir DIR (or set GAN_DATA_DIR)"
        raise InputError(f"{dataset}: {asset.name} {why}{put}")


def _mend_of_path(path: Path) -> str:
    """A hint at what is wrong with a path that leads nowhere, and what would be right."""
    sign = next((sign for sign in str(path) if not sign.isprintable()), "")
    if sign:
        return (
            f"it holds the sign {sign!r}: in double quotes, a backslash and a letter are one; single quotes, or / "
            "between the names, would do"
        )
    if re.match(r"[A-Za-z]:", str(path)):
        return "it is a path of Windows, whose C:\\ is /mnt/c/ in WSL; shells take backslashes away that are not quoted"
    if path.is_absolute():
        return f"--data-dir DIR would do, if DIR holds {path.name!r} now"
    return (
        f"it is relative to the working folder, {os.getcwd()}; also looked for beside the recipe or run and up to "
        f"{LEVELS} folders above it; --data-dir DIR names the folder that holds it"
    )


def _download(url: str, to: Path, largest: int) -> None:
    """Write what a mirror sends, whatever it says of its length; raises DamagedError for more than `largest` bytes."""
    request = urllib.request.Request(url, headers={"User-Agent": "gan-cli"})
    end = time.monotonic() + LONGEST
    size = 0
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, to.open("wb") as file:
        while part := response.read1(CHUNK):  # not read: it waits for all of CHUNK, and each byte may take TIMEOUT
            size += len(part)
            if size > largest:
                raise DamagedError(f"more than {largest:,} bytes arrive")
            if time.monotonic() > end:
                raise DamagedError(f"{size:,} bytes arrived in {LONGEST} seconds")
            file.write(part)
        promised = response.headers.get("Content-Length", "")
    if promised.isdecimal() and size != int(promised):
        raise DamagedError(f"truncated: {size} of {promised} bytes arrived")


def _verified(data: bytes, asset: Asset, parse: Callable[[bytes], T], *, packed: bool = True) -> T:
    """The content of a file, parsed and checked against its checksum; raises DamagedError.

    packed: the file has the published name, so that a checksum of the published file is binding.
    """
    content = gunzipped(data, asset.largest) if asset.name.endswith(".gz") and data[:2] == b"\x1f\x8b" else data
    parsed = parse(content)  # first: "truncated after 12 images" says more than a checksum
    if asset.sha256:
        what, expected, found = "content", asset.sha256, hashlib.sha256(content).hexdigest()
    elif asset.published_sha256 and packed:
        what, expected, found = "file", asset.published_sha256, hashlib.sha256(data).hexdigest()
    else:
        return parsed
    if found != expected:
        raise DamagedError(f"the SHA-256 of its {what} should be {expected} and is {found}")
    return parsed


def origins() -> dict[str, Origin]:
    """Name of a data source -> where its files are from, of those that say so in their module's ORIGIN."""
    names = [info.name for info in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = {name: import_module(f"gan_cli.data.{name}") for name in names}
    return {name: module.ORIGIN for name, module in modules.items() if hasattr(module, "ORIGIN")}
