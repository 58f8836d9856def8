"""Files in a store: listed, read, written and deleted, with patience for a store that is not there."""

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gan_cli.errors import InputError, StorageError
from gan_cli.files import atomic, storing
from gan_cli.remote.place import EXTRAS, Place, reason

T = TypeVar("T")
PATIENCE = 120.0  # seconds for which a store that does not answer is tried again
FIRST_WAIT, LONGEST_WAIT = 0.5, 16.0  # seconds between two tries; each wait is twice the one before
AT_ONCE = 8  # files under way at the same time
# Bytes. gcsfs puts smaller files between delimiters that begin with \n, and a \r at their end gets lost as part of one.
LARGE = 5 << 20
# What tells the versions of a file apart: the first of these that a store knows.
CHANGES = (
    "md5Hash",
    "ETag",
    "etag",
    "Content-MD5",
    "Digest",
    "crc32c",
    "generation",
    "mtime",
    "LastModified",
    "last_modified",
    "modified",
    "Last-Modified",
    "created",
    "updated",
)
FINAL = (PermissionError, NotADirectoryError, IsADirectoryError, NotImplementedError, TypeError, ValueError)


class StoredFile(NamedTuple):
    """A file in a store."""

    key: str  # its name there, bucket and all
    size: int | None  # bytes; None: the store does not say
    token: str  # another one when the content is another one
    md5: str = ""  # in hexadecimal digits, where the store knows it


def listing(place: Place) -> dict[str, StoredFile]:
    """Every file below a place, by its name from there; "" is the place itself, where it is a file.

    Raises InputError where the store does not let one look, or holds a name that would lead out of a folder here, and
    StorageError where it cannot be reached.
    """

    def look() -> Mapping[str, Mapping[str, Any]]:
        place.fs.invalidate_cache()
        if "http" in str(place.fs.protocol):  # the web has no folders
            return {place.root: place.fs.info(place.root)}
        found: Mapping[str, Mapping[str, Any]] = place.fs.find(place.root, detail=True)
        return found

    try:
        found = patiently(place.url, look)
    except FileNotFoundError:
        return {}
    files = {}
    for key, info in found.items():
        if info["type"] != "file" or info["name"].endswith("/"):
            continue
        name = "" if key == place.root else key.removeprefix(f"{place.root.rstrip('/')}/")
        if name and any(part in ("", ".", "..") or "\0" in part or os.sep in part for part in name.split("/")):
            raise InputError(f"{place.url}: holds a file named {name!r}, which cannot be a file here; rename it there")
        files[name] = _stored_file(info, info["name"])
    return files


def read_file(place: Place, name: str) -> bytes:
    """The content of a small file of a folder, which is read into memory.

    Raises FileNotFoundError where there is none, and otherwise as `patiently`.
    """
    content: bytes = patiently(f"{place.url}/{name}", lambda: place.fs.cat_file(place.key(name)))
    return content


def download(place: Place, entry: StoredFile, to: Path) -> None:
    """Bring a file, whole or not at all.

    Raises FileNotFoundError when it is no longer the one that was listed, and otherwise as `patiently`.
    """
    to.parent.mkdir(parents=True, exist_ok=True)

    def bring() -> None:
        with atomic(to) as part:
            place.fs.get_file(entry.key, str(part))
            size = part.stat().st_size
            if (entry.size is not None and size != entry.size) or (entry.md5 and md5(part) != entry.md5):
                raise FileNotFoundError(f"{entry.key}: is not what was listed; it was changed meanwhile")

    with storing(to):
        patiently(f"{place.url} ({entry.key})", bring)


def write_file(place: Place, name: str, content: bytes | Path) -> StoredFile:
    """Write a file of a folder, from memory or from a file here; what is there of it afterwards.

    Raises InputError where one may not write, and StorageError where the store cannot be reached.
    """
    key = place.key(name)
    size = len(content) if isinstance(content, bytes) else content.stat().st_size

    def put() -> StoredFile:
        if isinstance(content, Path) and size >= LARGE:
            place.fs.put_file(str(content), key)
        else:
            with place.fs.open(key, "wb") as file:
                file.write(content.read_bytes() if isinstance(content, Path) else content)
        place.fs.invalidate_cache()
        entry = _stored_file(place.fs.info(key), key)
        if entry.size is not None and entry.size != size:
            raise OSError(f"{entry.size} of {size} bytes arrived")
        return entry

    with suppress(FileNotFoundError):
        return patiently(f"{place.url}/{name}", put)
    try:  # once more, after making the folder, in stores that have folders; a bucket is never made
        if place.url.partition("://")[0].lower() not in EXTRAS:
            place.fs.makedirs(key.rpartition("/")[0], exist_ok=True)
        return patiently(f"{place.url}/{name}", put)
    except FileNotFoundError:
        raise InputError(f"{place.url}: cannot be written: there is no such bucket; make it, or name another") from None


def md5(path: Path) -> str:
    """The MD5 of a file's content, in hexadecimal digits: what stores know of their files."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def delete(place: Place, names: Iterable[str]) -> None:
    """Delete files of a folder; one that is not there is no error. Raises as `patiently`."""

    def remove(name: str) -> None:
        with suppress(FileNotFoundError):
            patiently(f"{place.url}/{name}", lambda: place.fs.rm_file(place.key(name)))

    each(remove, names)


def each(do: Callable[[Any], T], items: Iterable[Any]) -> list[T]:
    """`do` of every item, several at once; raises what the first one that failed raised, after all have ended."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(do, items))


def patiently(where: str, call: Callable[[], T]) -> T:
    """The result of `call`, tried again for PATIENCE seconds while the store cannot be reached; then StorageError.

    FileNotFoundError is passed on, and what no patience mends (a refusal, no credentials) is an InputError.
    """
    end, wait = time.monotonic() + PATIENCE, FIRST_WAIT
    while True:
        try:
            return call()
        except (FileNotFoundError, StorageError, InputError):
            raise
        except Exception as error:  # each driver has its own
            # Those after which trying again would give the same; JSON that is damaged is an answer that was cut short.
            code = str(getattr(error, "status", None) or getattr(error, "code", ""))
            named = "Credentials" in type(error).__name__ or str(error).startswith("Forbidden")
            is_final = isinstance(error, FINAL) and not isinstance(error, json.JSONDecodeError)
            if is_final or code in ("400", "401", "403", "405", "501") or named:
                raise InputError(f"{where}: refused: {reason(error)}; check the name, and who you are there") from error
            if time.monotonic() + wait > end:
                raise StorageError(f"{where}: cannot be reached: {reason(error)}") from error
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


def _stored_file(info: Mapping[str, Any], key: str) -> StoredFile:
    token = next((f"{name}:{info[name]}" for name in CHANGES if info.get(name) is not None), "")
    known = info.get("md5Hash")
    digest = base64.b64decode(known).hex() if known else ""
    return StoredFile(key, info.get("size"), f"{info.get('size')}:{token}", digest)
