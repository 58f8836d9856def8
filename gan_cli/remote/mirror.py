"""A run at a URL: trained in a working copy on this machine, and brought up to date there after every checkpoint.

Who trains leaves a name in URL/writer.json. A working copy that knows the name found there has seen all that happened
to the run, and may be ahead of the URL; any other one is a leftover and gives way to what the URL holds.
"""

import hashlib
import json
import platform
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from gan_cli import door
from gan_cli.door import sha256
from gan_cli.errors import DamagedError, InputError, StorageError
from gan_cli.files import atomic, checksums, make_folder, remove_folder
from gan_cli.remote import layout, user_cache
from gan_cli.remote.fetch import MEND, TRIES, Entries, Note, download_all
from gan_cli.remote.place import Place, open_place
from gan_cli.remote.store import delete, each, listing, md5, read_file, write_file

WRITER = "writer.json"  # at the URL: who trains there
STATE = ".mirror.json"  # in the working copy: what it remembers


class Sent(NamedTuple):
    """A file as it was when it was the same here and there."""

    sha256: str
    token: str  # see `StoredFile`


def working_copy(url: str, note: Note) -> "Mirror":
    """The working copy of the run at a URL, in the user's cache; `pull` fills it. Raises InputError.

    In a job of several processes, the first one alone pulls and pushes.
    """
    place = open_place(url)
    name = f"{place.name}-{hashlib.sha256(f'{place.fs.protocol} {place.root}'.encode()).hexdigest()[:12]}"
    return Mirror(place, user_cache() / "runs" / name, note)


class Mirror:
    """A run's folder here and at its URL."""

    def __init__(self, place: Place, folder: Path, note: Note):
        self.url = place.url
        self.folder = folder
        self._place, self._note = place, note
        self._lock = FileLock(folder.with_name(f".{folder.name}.lock"), thread_local=False)
        self._name = uuid.uuid4().hex
        self._claimed = ""  # the token of our writer.json
        # The names in writer.json of the processes whose work the copy holds; none: it may not be whole.
        self._names: tuple[str, ...] = ()
        self._files: dict[str, Sent] = {}

    def pull(self) -> None:
        """Make the copy what the URL holds, unless it is that and more; nothing is changed there.

        Raises InputError where there is something else than a run or another process of this machine trains it, and
        StorageError where the URL cannot be reached.
        """
        make_folder(self.folder, MEND)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise InputError(f"{self.url}: another process of this machine trains it, in {self.folder}") from None
        self._names, self._files = (), {}
        with suppress(DamagedError, TypeError, KeyError, AttributeError):  # what cannot be read is not remembered
            state = door.read_json(self.folder / STATE)
            sent = {name: Sent(*map(str, pair)) for name, pair in state["files"].items()}
            self._names, self._files = tuple(map(str, state["names"])), sent
        files = listing(self._place)
        if files and not {WRITER, layout.RECIPE} & files.keys():
            raise InputError(f"{self.url}: holds files but no run; name another place with --out")
        here, there = (max(layout.whole(names), default=0) for names in (_names(self.folder), files))
        if WRITER in files and self._writer().get("name") in self._names and here >= there:
            # Nobody else wrote there, and nothing was lost here: the copy holds all that the URL does.
            self._remember((*self._names, self._name))
            return
        self._remember(())
        for _ in range(TRIES):
            with suppress(FileNotFoundError):  # the writer before this one had not ended: look again
                self._bring(listing(self._place))
                break
        else:
            raise InputError(f"{self.url}: changes all the time; wait until nobody writes there")
        self._remember((self._name,))

    def take_over(self) -> None:
        """Let no other process push from now on; raises InputError where one may not write, StorageError as above."""
        self._claim()
        self._remember((self._name,))
        self._note(f"{self.url}: training in {self.folder}")

    def push(self) -> None:
        """Bring the URL up to the copy; at any moment it holds a whole checkpoint and its logs.

        Raises StorageError where it cannot be reached (nothing is lost: a later call goes on), and InputError where one
        may not write, or where another process has taken the run over.
        """
        files = listing(self._place)
        if WRITER not in files:  # somebody emptied the URL: begin again
            self._claim()
        elif files[WRITER].token != self._claimed and (who := self._writer()).get("name") != self._name:
            taken = f"taken over by a process on {who.get('host')} ({who.get('since')})"
            raise InputError(f"{self.url}: {taken}; this one stops here, its work is in {self.folder}")
        here, there = _names(self.folder), layout.checkpoints(files)
        steps = sorted(layout.whole(here))
        if there and not steps:
            raise StorageError(f"{self.folder}: has lost its checkpoints; run the same command for those of {self.url}")
        for step in [step for step in there if step > steps[-1]]:  # a rollback took them back
            self._delete(step, there.pop(step))
        self._send({layout.RECIPE} & here, files)
        self._send(layout.loose(here), files)  # before the checkpoint: who resumes from it goes on with these logs
        for step in steps:  # what makes a checkpoint whole comes last and, where it is another one's, goes first
            mark, own = layout.checksums(step), layout.checkpoints(here)[step]
            found = checksums((self.folder / mark).parent)
            sums = {f"checkpoints/{step}/{name}": digest for name, digest in found.items()}
            sums[mark] = sha256(self.folder / mark)
            if not all(self._is_there(name, sums.get(name, ""), files) for name in own):
                delete(self._place, {mark} & files.keys())
                delete(self._place, layout.checkpoints(files).get(step, set()) - own - {mark})
                self._send(own - {mark}, files, sums)
                self._send({mark}, {}, sums)
        for step in there.keys() - {*steps}:
            self._delete(step, there[step])

    def close(self) -> None:
        """Let other processes of this machine have the copy."""
        self._lock.release()

    def _writer(self) -> dict[str, Any]:
        """What writer.json says of who wrote last; empty where that cannot be known."""
        with suppress(FileNotFoundError, ValueError):
            found = door.parse_json(read_file(self._place, WRITER))
            return found if isinstance(found, dict) else {}
        return {}

    def _claim(self) -> None:
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        about = {"name": self._name, "host": platform.node(), "since": since}
        self._claimed = write_file(self._place, WRITER, json.dumps(about).encode()).token

    def _bring(self, files: Entries) -> None:
        """Make the copy the same as the URL, without checkpoints that are not whole."""
        whole = layout.whole(files)
        wanted = (layout.loose(files) - {WRITER}).union(*whole.values())
        here = _names(self.folder)
        for step in layout.checkpoints(here).keys() - whole.keys():
            self._note(f"{self.folder}: checkpoint {step} is not at {self.url}: removed")
            remove_folder(self.folder / "checkpoints" / str(step))
        for name in here - wanted:
            (self.folder / name).unlink(missing_ok=True)
        new = {}
        for name in sorted(wanted):
            path, entry, known = self.folder / name, files[name], self._files.get(name)
            if not path.is_file():
                is_here = False
            elif known and known.token == entry.token:
                is_here = sha256(path) == known.sha256
            else:
                is_here = bool(entry.md5) and md5(path) == entry.md5
            if not is_here:
                new[name] = path
        download_all(self._place, files, new, self._note)
        self._files = {name: Sent(sha256(self.folder / name), files[name].token) for name in wanted}

    def _is_there(self, name: str, digest: str, files: Entries) -> bool:
        return name in files and self._files.get(name) == Sent(digest, files[name].token)

    def _send(self, names: Iterable[str], files: Entries, sums: Mapping[str, str] | None = None) -> None:
        """Upload what is not there. `sums`: the SHA-256 of files that do not change; others are read at once."""

        def send(name: str) -> None:
            content = (self.folder / name).read_bytes() if sums is None else self.folder / name
            digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else (sums or {}).get(name, "")
            if not self._is_there(name, digest, files):
                self._files[name] = Sent(digest, write_file(self._place, name, content).token)

        try:
            each(send, names)
        finally:
            self._remember(self._names)

    def _delete(self, step: int, names: set[str]) -> None:
        mark = layout.checksums(step)
        delete(self._place, [mark])
        delete(self._place, names - {mark})
        self._files = {name: sent for name, sent in self._files.items() if name not in names}

    def _remember(self, names: tuple[str, ...]) -> None:
        self._names = names
        files = {name: list(sent) for name, sent in self._files.items()}
        with atomic(self.folder / STATE) as part:
            part.write_text(json.dumps({"names": names, "files": files}), encoding="utf-8")


def _names(folder: Path) -> set[str]:
    """The files of a run that belong at its URL."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return layout.loose(names).union(*layout.checkpoints(names).values())
