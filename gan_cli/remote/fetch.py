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
INDEX, MARKS = ".json", ".used"  # beside a copy: the tokens of its files; a folder with a lock for each process
MEND = "set GAN_CACHE_DIR to a folder"
_USED: dict[Path, FileLock] = {}  # copies that this process reads; the operating system frees them when it ends


def fetched(where: str | Path, note: Note) -> Path:
    """A path with the content of a file or folder: `where` itself or, for a URL, a copy as new as what is there.

    Raises InputError where there is nothing, and StorageError where the store cannot be reached.
    """
    return local(where) or _copied(open_place(where), note, lambda files: files)


def fetched_run(where: str | Path, note: Note) -> Path:
    """As `fetched`, for a run or RUN/checkpoints/STEP: its recipe and its whole checkpoints, and nothing else of it.

    Raises InputError where there is no whole checkpoint, or STEP is none, too.
    """
    path = local(where)
    if path is not None:
        return path
    place = open_place(where)
    one = re.fullmatch(r"(.+)/checkpoints(?:/([^/]+))?", place.root)
    step = layout.step_of(one[2]) if one and one[2] else None
    if one and one[2] and step is None:
        raise InputError(f"{place.url}: {one[2]!r} is no step of a checkpoint")

    def choose(files: Entries) -> Entries:
        found = layout.whole(files)
        chosen = {step: found[step]} if step in found else found if step is None else {}
        if files and not chosen:
            raise InputError(
                f"{place.url}: holds no whole checkpoint; name a run that `gan train --out URL` has written"
            )
        return {name: files[name] for name in ({layout.RECIPE} & {*files}).union(*chosen.values())}

    run = _copied(place._replace(root=one[1]) if one else place, note, choose)
    return run if step is None else run / "checkpoints" / str(step)


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
            mark = copy.with_suffix(MARKS) / f"{os.getpid()}.lock"  # keeps the copy until this process ends
            if mark not in _USED:
                mark.parent.mkdir(exist_ok=True)
                _USED[mark] = FileLock(mark)
                _USED[mark].acquire(blocking=False)
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
    index = copy.with_suffix(INDEX)
    with atomic(index) as part:
        part.write_text(json.dumps({name: entry.token for name, entry in files.items()}), encoding="utf-8")
    # Files with the same content may be in earlier copies: they only get another name.
    old: dict[str, Path] = {}  # by "name token"
    for other in {*copy.parent.glob(f"*{INDEX}")} - {index}:
        with suppress(DamagedError, AttributeError):
            tokens, root = door.read_json(other), other.with_suffix("") / place.name
            old |= {f"{name} {token}": root / name if name else root for name, token in tokens.items()}
    new = []
    for name in missing:
        earlier, path = old.get(f"{name} {files[name].token}"), paths[name]
        with suppress(OSError):
            if earlier is not None and _is_there(earlier, files[name]):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                os.link(earlier, path)
                continue
        new.append(name)
    download_all(place, files, {name: paths[name] for name in new}, note)


def download_all(place: Place, files: Entries, to: Mapping[str, Path], note: Note) -> None:
    """Bring the files of a folder that are named in `to`, each to its path there; raises as `download`."""
    if to:
        volume = sum(files[name].size or 0 for name in to)
        note(f"fetching {len(to)} files ({size(volume)}) from {place.url}")
    each(lambda name: download(place, files[name], to[name]), to)


def _is_there(path: Path, entry: StoredFile) -> bool:
    return path.is_file() and entry.size in (None, path.stat().st_size)


def _drop_unused(home: Path) -> None:
    """Remove the copies of a URL that no process uses."""
    for index in home.glob(f"*{INDEX}"):
        copy, marks = index.with_suffix(""), index.with_suffix(MARKS)
        held = False
        for mark in marks.glob("*.lock"):
            lock = FileLock(mark)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                held = True
                break
            lock.release()
            mark.unlink(missing_ok=True)
        if not held:
            index.unlink()
            shutil.rmtree(copy, ignore_errors=True)
            shutil.rmtree(marks, ignore_errors=True)


@contextmanager
def output(where: str | Path) -> Iterator[Path]:
    """Where to write a file or a folder: `where` itself or, for a URL, a place from which it goes there at the end.

    Raises InputError where one may not write, and StorageError where the store cannot be reached.
    """
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
