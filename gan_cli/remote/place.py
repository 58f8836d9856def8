"""What a URL names: a path of this machine, or a place in a store that fsspec knows.

fsspec and its drivers are imported when a URL is named, and never before.
"""

import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import url2pathname

from gan_cli.errors import InputError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/+")  # two letters at least: C:/ is a drive
CHAIN = re.compile(r"[A-Za-z][\w+.\-]*::.*:/")  # of file systems, which no path of this machine looks like
EXTRAS = {"gs": "gcs", "gcs": "gcs", "s3": "s3", "s3a": "s3"}  # scheme -> optional extra of gan-cli with its driver
HERE = ("file", "local")  # paths of this machine
# fsspec's file systems that lie on others, or run programs: a recipe that somebody sent must not reach them.
CLOSED = {"dir", "cached", "blockcache", "filecache", "simplecache", "reference", "generic", "async_wrapper", "data"}
CLOSED |= {"asyncwrapper", "asynclocal", "dask", "git", "jlab", "jupyter", "libarchive", "pyscript", "tar", "zip"}


class Place(NamedTuple):
    """A file or a folder in a store."""

    url: str  # as messages show it, without passwords and signatures
    fs: Any  # fsspec's file system
    root: str  # its name there

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.root.rstrip("/").rpartition("/")[2] or "root"

    def key(self, name: str) -> str:
        """The name in the store of file `name` of this folder."""
        return f"{self.root.rstrip('/')}/{name}"


def local(where: str | Path) -> Path | None:
    """The path that `where` is, also as file://; None where it is another URL. Costs nothing."""
    text = str(where)
    if isinstance(where, Path) and where.exists():
        return where
    if CHAIN.match(text):
        return None
    if not URL.match(text):
        return Path(where)
    if not isinstance(where, Path) and "://" not in text:
        return Path(where)
    scheme, _, rest = text.partition(":")
    return Path(url2pathname("/" + rest.lstrip("/"))) if scheme.lower() in HERE else None


def is_url(where: str | Path) -> bool:
    """Whether `where` names something that is not on this machine's file systems."""
    return local(where) is None


def open_place(where: str | Path) -> Place:
    """The file or folder at a URL; nothing is looked at yet.

    Raises InputError for a scheme that cannot be read, a driver that is not installed, or a URL without a folder.
    """
    if isinstance(where, Path):
        where = re.sub(r"^([^:/]+):/+", r"\1://", str(where))  # pathlib takes two slashes for one
    if "::" in where:
        shown = _shown(where)
        raise InputError(f"{shown}: chains of file systems are not followed; name the file or folder itself")
    scheme, _, rest = where.partition("://")
    scheme, url = scheme.lower(), f"{scheme.lower()}://{rest.rstrip('/')}"
    shown = _shown(url)
    # Objects over plain HTTP, which every bucket but the zonal kind has: otherwise gcsfs asks over gRPC first which
    # kind of bucket it is, which a stand-in for the store never answers. No tracebacks of what is raised anyhow.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL + 1)
    try:
        import fsspec
        from fsspec import core
    except ImportError:
        raise _no_driver(scheme, shown) from None
    known = sorted({*fsspec.available_protocols()} - CLOSED)
    if scheme not in known:
        from gan_cli.binding import nearest

        raise InputError(f"{shown}: {scheme}:// is no scheme that can be read{nearest(scheme, known)}")
    try:
        fs, root = core.url_to_fs(url)
    except ImportError:
        raise _no_driver(scheme, shown) from None
    except Exception as error:  # whatever a driver makes of a name or of missing credentials
        raise InputError(f"{shown}: cannot be opened: {reason(error)}") from error
    if not root.strip("/"):
        raise InputError(f"{shown}: names no bucket or folder; {scheme}://BUCKET/FOLDER would")
    return Place(shown, fs, root)


def _shown(url: str) -> str:
    """A URL without passwords and signatures."""
    return re.sub(r"(:/+)[^/]*@", r"\1", url.partition("?")[0])


def _no_driver(scheme: str, shown: str) -> InputError:
    if scheme in EXTRAS:
        return InputError(f"{shown}: its driver is not installed: pip install 'gan-cli[{EXTRAS[scheme]}]'")
    with suppress(ImportError):
        from fsspec.registry import known_implementations

        return InputError(f"{shown}: its driver is not installed: {known_implementations.get(scheme, {}).get('err')}")
    return InputError(f"{shown}: URLs are read through fsspec, which is not installed: pip install fsspec")


def reason(error: Exception) -> str:
    """What a driver said, in one line of at most 200 characters and its type."""
    text = str(error).strip().replace("\n", " ")[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
