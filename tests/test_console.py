"""What a training shows on terminals of several widths."""

import io
import re

import pytest
from rich.console import Console

from gan_cli.cli.console import Reporter

LOSSES = {"discriminator/loss": 1.273, "generator/loss": 0.786}


def shown(width: int, *, alarms=()) -> str:
    """The last line that a terminal of so many columns has."""
    reporter, file = Reporter(), io.StringIO()
    reporter._console = Console(file=file, force_terminal=True, width=width, soft_wrap=True, highlight=False)
    reporter.start(0, 3000, 64)
    reporter.progress(1000, LOSSES)
    reporter.verdict(1000, "fid", 126.4)
    reporter.alarm(1000, alarms)
    reporter._began = (1000, reporter._began[1] - 3600)  # so that speed and time left have a usual length
    reporter.progress(1100, LOSSES)
    reporter._bar.refresh()
    reporter.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line.strip()][-1].rstrip()


@pytest.mark.parametrize("width", [48, 60, 80, 100, 120, 200])
def test_bar_count_and_time_left_are_always_whole(width):
    line = shown(width, alarms=["collapse: all samples are alike"])
    assert re.match(r"training ━\S+ +1100/3000 (\d:\d\d:\d\d|-:--:--)", line), line
    assert len(line) <= width


@pytest.mark.parametrize(
    ("width", "there", "left_out"),
    [
        (80, ("it/s", "fid 126.4"), ("images/s", "generator")),
        (120, ("it/s", "fid 126.4", "discriminator 1.273", "generator 0.786"), ("images/s",)),
        (140, ("it/s", "fid 126.4", "discriminator 1.273", "images/s"), ()),
    ],
)
def test_images_a_second_go_first_then_losses(width, there, left_out):
    line = shown(width)
    assert all(part in line for part in there), line
    assert not any(part in line for part in (*left_out, "…")), line


def test_what_is_still_too_long_is_cut():
    assert re.search(r"it/s  fid 126.4 .*…$", shown(72, alarms=["collapse: all samples are alike"]))


def test_a_short_terminal_has_a_short_bar():
    assert re.match(r"training ━\S{1,19} +1100/3000 ", shown(40))
