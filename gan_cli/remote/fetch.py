"""Copies, in the user's cache, of what is read at URLs; and what is written to one when it is done.

CACHE/remote/<hash of the URL>/<hash of what is there>/NAME. A copy is never changed: when the store's files change, a
new one is made beside it, with hard links to what is the same, and the old one goes when no process uses it any more.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gan_cli import door
from gan_cli.errors import DamagedError, InputError
from gan_cli.files import atomic, make_folder
from gan_cli.remote import layout, user_cache
from gan_cli.remote.place import Place, local, open_place
from gan_cli.remote.store import StoredFile, download, each, listing, write_file
from gan_cli.text import size

Entries = Mapping[str, StoredFile]  # by name, from the folder
Note = Callable[[str], None]  # told what takes time
TRIES = 5  # listings of a folder that changes while it is copied
MEND = "set GAN_CACHE_DIR to a folder"
_USED: dict[Path, FileLock] = {}  # copies that this process reads; the operating system frees them when it ends


def fetched(where: str | Path, note: Note) -> Path:
    """A path with the content of a file or folder: `where` itself or, for a URL, a copy as new as what is there.

    Raises InputError where there is nothing, and StorageError where the store cannot be reached.
    """
    return local(where) or _copied(open_place(where), note, lambda files: files)


def fetched_run(where: str | Path, note: Note) -> Path:
    """The same for a run, or RUN/checkpoints/STEP: its recipe and its whole checkpoints, and nothing else of it."""
    path = local(where)
    if path is not None:
        return path
    place = open_place(where)
    one = re.fullmatch(r"(.+)/checkpoints(?:/([^/]+))?", place.root)
    step = layout.step_of(one[2]) if one and one[2] else None
    if one and one[2] and step is None:
        raise InputError(f"{place.url}: {one[2]!r} is no step of a checkpoint")
    run = _copied(place._replace(root=one[1]) if one else place, note, lambda files: _of_run(files, step, place.url))
    return run if step is None else run / "checkpoints" / str(step)


def _of_run(files: Entries, step: int | None, url: str) -> Entries:
    """What it takes to use a run: all its whole checkpoints, or that of a step."""
    found = layout.whole(files)
    chosen = {step: found[step]} if step in found else found if step is None else {}
    if files and not chosen:
        raise InputError(f"{url}: holds no whole checkpoint; name a run that `gan train --out URL` has written")
    return {name: files[name] for name in ({layout.RECIPE} & {*files}).union(*chosen.values())}


def _copied(place: Place, note: Note, choose: Callable[[Entries], Entries]) -> Path:
    home = user_cache() / "remote" / _hash(f"{place.fs.protocol} {place.root}")
    for _ in range(TRIES):
        files = choose(listing(place))
        if not files:
            raise InputError(f"{place.url}: there is nothing there; check the name, and that you may list it")
        make_folder(home, MEND)
        with FileLock(home / ".lock"), suppress(FileNotFoundError):  # a file that has gone: look again
            copy = home / _hash(*(f"{name} {files[name].token}" for name in sorted(files)))
            _complete(copy, place, files, note)
            _use(copy)
            _drop_unused(home)
            return copy / place.name
    raise InputError(f"{place.url}: changes all the time; wait until nobody writes there")


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _complete(copy: Path, place: Place, files: Entries, note: Note) -> None:
    """Fetch what a copy does not have yet, or what was cut short when the machine died."""
    paths = {name: copy / place.name / name if name else copy / place.name for name in files}
    missing = [name for name, path in paths.items() if not _is_there(path, files[name])]
    if not missing:
        return
    copy.mkdir(exist_ok=True)
    with atomic(_index(copy)) as part:
        part.write_text(json.dumps({name: entry.token for name, entry in files.items()}), encoding="utf-8")
    old = _older(copy, place)
    new = [name for name in missing if not _linked(old.get(f"{name} {files[name].token}"), files[name], paths[name])]
    if new:
        volume = sum(files[name].size or 0 for name in new)
        note(f"fetching {len(new)} files ({size(volume)}) from {place.url}")
    each(lambda name: download(place, files[name], paths[name]), new)


def _is_there(path: Path, entry: StoredFile) -> bool:
    return path.is_file() and entry.size in (None, path.stat().st_size)


def _index(copy: Path) -> Path:
    """The file that says what the store's tokens of a copy's files are."""
    return copy.with_suffix(".json")


def _older(copy: Path, place: Place) -> dict[str, Path]:
    """Where files with the same content may be, by "name token", in earlier copies."""
    found: dict[str, Path] = {}
    for index in {*copy.parent.glob("*.json")} - {_index(copy)}:
        with suppress(DamagedError, AttributeError):
            tokens = door.read_json(index)
            root = index.with_suffix("") / place.name
            found |= {f"{name} {token}": root / name if name else root for name, token in tokens.items()}
    return found


def _linked(old: Path | None, entry: StoredFile, new: Path) -> bool:
    """Make a file another name of one that is here; False where there is none."""
    with suppress(OSError):
        if old is not None and _is_there(old, entry):
            new.parent.mkdir(parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            os.link(old, new)
            return True
    return False


def _use(copy: Path) -> None:
    """Keep a copy until this process ends."""
    mark = _marks(copy) / f"{os.getpid()}.lock"
    if mark not in _USED:
        mark.parent.mkdir(exist_ok=True)
        _USED[mark] = FileLock(mark)
        _USED[mark].acquire(blocking=False)


def _marks(copy: Path) -> Path:
    """A folder with a lock for every process that uses a copy."""
    return copy.with_suffix(".used")


def _drop_unused(home: Path) -> None:
    """Remove the copies of a URL that no process uses."""
    for index in home.glob("*.json"):
        copy = index.with_suffix("")
        if not any(_is_held(mark) for mark in _marks(copy).glob("*.lock")):
            index.unlink()
            shutil.rmtree(copy, ignore_errors=True)
            shutil.rmtree(_marks(copy), ignore_errors=True)


def _is_held(mark: Path) -> bool:
    lock = FileLock(mark)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    mark.unlink(missing_ok=True)
    return False


@contextmanager
def output(where: str | Path) -> Iterator[Path]:
    """Where to write a file or a folder: `where` itself or, for a URL, a place from which it goes there at the end."""
    path = local(where)
    if path is not None:
        yield path
        return
    place = open_place(where)
    with tempfile.TemporaryDirectory(prefix="gan-") as folder:
        path = Path(folder) / place.name
        yield path
        parent = place._replace(root=place.root.rpartition("/")[0])
        made = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        each(lambda file: write_file(parent, file.relative_to(folder).as_posix(), file), made)
