"""`gan explore`."""

import os
import sys
from typing import Annotated

import typer

from gan_cli.cli.options import At, Ckpt, loaded_run, notice, start_jax, store


def explore(
    ckpt: Ckpt,
    at: At = "best",
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="The port on 127.0.0.1; 0 takes any free one.",
            show_default="8400, or the next free one",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Play with a model in the browser: seeds, classes, codes, walks, sums of pins, uploads (docs/explore.md).

    The page is for this machine alone; Ctrl-C ends it.
    """
    from gan_cli.explore import server

    with server.ending_on_signals(), server.listen(port) as listening:
        start_jax()
        from gan_cli.explore.service import Service

        desk = Service(loaded_run(ckpt, at), ckpt, store(None))
        desk.warm_up(notice)
        server.serve(listening, desk, lambda url: _ready(url, open_))


def _ready(url: str, opened: bool) -> None:
    """Say where the page is, and open it in a browser where that would open a window, not take over the terminal."""
    print(url, flush=True)
    notice("Ctrl-C ends it")
    names = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    has_screen = sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in names)
    if opened and has_screen:
        import threading
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()  # some browsers do not return
