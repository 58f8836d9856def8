"""PNG files without what is not of the picture: texts, profiles and the like, which may be long or damaged."""

import io
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
OF_THE_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"fcTL", b"fdAT"}


def pure(file: IO[bytes], *, whole: bool) -> IO[bytes]:
    """The chunks of a PNG file that its picture is made of; `whole`: False for those before the pixels.

    Pillow would unpack texts and refuse a picture for one that is long. What is left out is not even read. Damage is
    kept for Pillow to find.
    """
    kept = [file.read(len(SIGNATURE))]
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if name.isalpha() and name not in OF_THE_PICTURE:
            file.seek(length + 4, io.SEEK_CUR)  # its checksum, too
            continue
        kept.append(head)
        if name == b"IDAT" and not whole:
            break
        kept.append(file.read(length + 4))
        if name == b"IEND":  # what follows is no longer of the file
            break
    else:
        kept.append(head)
    return io.BytesIO(b"".join(kept))
