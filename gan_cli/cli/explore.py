"""`gan explore`."""

import os
import sys
from typing import Annotated

import typer

from gan_cli.cli.options import At, Ckpt, notice, start_jax


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
    """Play with a generator in the browser: seeds, classes, codes, walks and sums of pinned samples (docs/explore.md).

    The page is for this machine alone; Ctrl-C ends it.
    """
    from gan_cli.explore import server

    with server.ending_on_signals(), server.listen(port) as listening:
        start_jax()
        from gan_cli.explore.service import Service
        from gan_cli.remote.fetch import fetched_run
        from gan_cli.runs.load import load_run

        desk = Service(load_run(fetched_run(ckpt, notice), at), ckpt)
        desk.warm_up(notice)
        server.serve(listening, desk, lambda url: _ready(url, open_))


def _ready(url: str, opened: bool) -> None:
    print(url, flush=True)
    notice("Ctrl-C ends it")
    if opened and _has_screen():
        import threading
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()  # some browsers do not return


def _has_screen() -> bool:
    """Whether a browser would open a window, and not take over the terminal."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in names)
