"""Files that are no images to train on, told by their names, and a count of them for a person to read."""

import posixpath
from dataclasses import dataclass, field

SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
# What systems leave in any folder, and nobody takes for an image: it is not worth a word.
LITTER = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", ".directory", ".localized"}
# Folders in which servers, sync clients and notebooks keep thumbnails, snapshots and what was thrown away.
SYSTEM = {
    *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", ".@__thumb", "@__thumb"),
    *("$recycle.bin", "recycler", "system volume information", "lost+found", "__pycache__", ".ipynb_checkpoints"),
}
OTHER_IMAGES = {
    *(".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".tga", ".psd", ".svg", ".exr", ".hdr", ".ico", ".pcx"),
    *(".dcm", ".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".pdf", ".eps", ".pfm", ".mp4", ".mov"),
}
ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".lmdb", ".mdb", ".parquet"}
BARE = "without a suffix"
SHOWN = 6  # kinds, each with one example; the rest are counted
LONGEST = 60  # characters shown of a name


def suffix_of(name: str) -> str:
    """ ".png" of "a/b.PNG"; empty where there is none."""
    return posixpath.splitext(name)[1].lower().rstrip(".")


def barred(name: str) -> str | None:
    """Why a file or folder of this name is left out, whatever it holds.

    None: it is not left out. Empty: it is, and not worth a word.
    """
    low = name.lower()
    if low in LITTER or low.startswith("._"):
        return ""
    if low in SYSTEM or low.startswith(".trash"):
        return "of the system"
    return "hidden" if name.startswith(".") else None


def quoted(name: str) -> str:
    """A name as a message shows it: cut, and without the signs that a terminal obeys."""
    return repr(name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}...")


@dataclass
class LeftOut:
    """A count of what is left out, by kind."""

    _kinds: dict[str, tuple[int, str, str]] = field(default_factory=dict)  # number, first name and its reason

    def add(self, kind: str, name: str, why: str = "") -> None:
        """Count a file or folder; `kind` follows a number: "3 .txt", "1 unreadable"; "" is litter, not worth a word."""
        if kind:
            count, first, said = self._kinds.get(kind, (0, name, why))
            self._kinds[kind] = (count + 1, *min((first, said), (name, why)))

    def sentence(self) -> str:
        """ "left out: 20 .avif ('x0.avif'), 1 hidden ('.cache')", with what would be right; empty: nothing was."""
        if not self._kinds:
            return ""
        # Files whose suffix says that they are no images come last, the most frequent kinds first.
        others = {kind for kind in self._kinds if kind.startswith(".") and kind not in OTHER_IMAGES}
        kinds = sorted(self._kinds.items(), key=lambda item: (item[0] in others, -item[1][0], item[0]))
        said = [
            f"{count:,} {kind[:LONGEST]} ({quoted(name)}{': ' if why else ''}{why})"
            for kind, (count, name, why) in kinds[:SHOWN]
        ]
        rest = sum(count for _, (count, _, _) in kinds[SHOWN:])
        more = f" and {rest:,} of other kinds" if rest else ""
        if OTHER_IMAGES & self._kinds.keys():
            more += "; images are read from PNG, JPEG, WebP, BMP, GIF, TIFF and PNM files: convert the others"
        if ARCHIVES & self._kinds.keys():
            more += "; archives within are not opened: unpack them"
        return f"left out: {', '.join(said)}{more}"
