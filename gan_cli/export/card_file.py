"""`gan card`: the card and its picture as files, in the place of an older card and of nothing else."""

from collections.abc import Callable
from pathlib import Path

from gan_cli import door
from gan_cli.errors import DamagedError, InputError
from gan_cli.export import card
from gan_cli.export.bundle import save_file
from gan_cli.files import check_folder_of
from gan_cli.remote.place import is_url
from gan_cli.runs.load import Loaded

MARK = "\nlibrary_name: gan-cli\n"  # in the head of our cards
LOOKED_AT = 1000  # bytes of a file that is in the way


def check_card(ckpt: str, out: str | None, licence: str | None) -> None:
    """Raise InputError for an output that cannot be, or a licence that is none."""
    card.check_licence(licence)
    if out is None and is_url(ckpt):
        raise InputError(f"--ckpt {ckpt} is a URL: name a file for the card with --out")
    if out is None:
        return
    if is_url(out):
        raise InputError(f"--out {out}: a card and its picture are two files: write them here, and copy both")
    path = Path(out)
    if path.suffix != ".md":
        raise InputError(f"--out {out}: a card is Markdown, and its name ends in .md")
    check_folder_of(path)


def save_card(loaded: Loaded, wish: card.CardOptions, target: Path, note: Callable[[str], None]) -> Path:
    """Write card and picture; returns the picture's path. Raises InputError when other files are in the way."""
    picture = target.parent / card.PICTURE
    if target.exists() and not _is_card(target):
        raise InputError(f"{target}: exists and is not a card that gan wrote: name another file with --out")
    if picture.exists() and not target.exists():
        raise InputError(f"{picture}: exists, and is not this card's: name a file in another folder with --out")
    text = card.write(loaded, wish)
    note(f"step {loaded.step} of {loaded.folder.path}: compiling, then drawing the picture")
    card.draw(loaded, picture, raw=wish.raw)
    save_file(target, text.encode())
    return picture


def _is_card(path: Path) -> bool:
    try:
        with door.opened(path) as file:
            return MARK in file.read(LOOKED_AT).decode("utf-8", "replace")
    except DamagedError:
        return False
