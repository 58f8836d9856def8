"""The page that `gan report` writes, in a headless Chromium: opened from disk, as somebody will who was sent it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import PHONE, opened
from PIL import Image
from test_digest import PROTOCOL, RECIPE, write_checkpoint, write_lines, write_run

from gan_cli.report import page as pages
from gan_cli.report.page_parts import Curve, Event, Figure, Grid, Picture, RunPart

OWN = "document.title='owned'"
HOSTILE = f'</script><script>{OWN}</script><img src=x onerror="{OWN}"><!-- \'"&lt;{{{{ 7*7 }}}}'


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The page of a run, and beside it that of two."""
    from gan_cli.cli.report import report

    folder = tmp_path_factory.mktemp("report")
    one, other = write_run(folder / "one"), write_run(folder / "other", steps=300, scale=2.0)
    report([str(one)], quick=True, as_json=True)
    report([str(one), str(other)], quick=True, as_json=True, out=str(folder / "both.html"))
    return folder


def traces(page, number: int) -> list[dict]:
    """What Plotly has drawn of a chart: names and points of its curves."""
    script = """number => document.querySelectorAll('.chart .plot')[number].data.map(
        trace => ({name: trace.name, x: [...trace.x], y: [...trace.y], mode: trace.mode}))"""
    return page.evaluate(script, number)


def curves(page, number: int) -> dict[str, int]:
    return {t["name"]: len(t["x"]) for t in traces(page, number) if not t["name"].startswith("best: ")}


def titles(page) -> list[str]:
    return page.locator(".charts .chart h3").all_inner_texts()


def show(page, path: Path) -> None:
    page.goto(path.as_uri())
    page.wait_for_selector(".plot .main-svg")


@pytest.mark.slow  # three seconds of a browser; others look at the page in `make test`
def test_curves_have_a_point_for_every_line(page, report):
    show(page, report / "one" / "report.html")
    names = titles(page)
    assert names[:3] == ["fid", "precision-recall", "loss"]
    assert curves(page, names.index("loss")) == {"discriminator": 50, "generator": 50}
    later = "gan eval, average weights: features digits; n real 200; "[:47] + "…"
    assert curves(page, names.index("fid")) == {"fid": 6, later: 1}
    assert traces(page, names.index("fid"))[0]["y"] == [41, 31, 21, 11, 1, 11]
    assert page.locator(".plot").nth(names.index("loss")).locator(".scatterlayer .trace").count() == 2
    path = page.locator(".plot").nth(names.index("loss")).locator(".js-line").first.get_attribute("d")
    assert len(re.findall(r"[ML]", path)) > 5  # it is drawn, too, without what lies on a straight line


def test_the_best_is_marked_on_curves_and_slider(page, report):
    show(page, report / "one" / "report.html")
    (star,) = [t for t in traces(page, 0) if t["name"] == "best: fid"]
    assert (star["x"], star["y"]) == ([400], [1])
    shapes = page.evaluate("document.querySelector('.plot').layout.shapes.map(s => [s.name, s.x0])")
    assert shapes == [["best", 400], ["alarm", 300], ["rollback", 200]]
    knob = page.locator("input[type=range]").bounding_box()
    mark = page.locator(".star").bounding_box()
    centre = mark["x"] + mark["width"] / 2
    assert abs(centre - (knob["x"] + 8 + 0.8 * (knob["width"] - 16))) < 4  # the fifth of six grids


@pytest.mark.slow  # three seconds of a browser; others look at the page in `make test`
def test_the_slider_moves_by_keyboard(page, report):
    show(page, report / "one" / "report.html")
    slider, image, label = page.locator("input[type=range]"), page.locator("img.grid"), page.locator("output")
    assert label.inner_text() == "step 400 · fid 1 · best checkpoint"
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert label.inner_text() == "step 500 · fid 11"
    seen = {image.get_attribute("src")}
    page.keyboard.press("Home")
    assert label.inner_text() == "step 0 · fid 41"
    assert slider.get_attribute("aria-valuetext") == "step 0 · fid 41"
    for _ in range(5):
        seen.add(image.get_attribute("src"))
        page.keyboard.press("ArrowRight")
    assert len(seen) == 6  # each grid is another picture
    assert image.get_attribute("alt") == "Samples after 500 steps"
    assert image.evaluate("image => image.complete && image.naturalWidth") > 0
    page.locator(".to-best").press("Enter")
    assert label.inner_text() == "step 400 · fid 1 · best checkpoint"


def test_the_slider_moves_by_mouse_and_plays(page, report):
    show(page, report / "one" / "report.html")
    page.locator("input[type=range]").scroll_into_view_if_needed()
    box = page.locator("input[type=range]").bounding_box()
    page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    assert page.locator("output").inner_text() == "step 0 · fid 41"
    play = page.locator(".play")
    play.click()
    assert play.get_attribute("aria-pressed") == "true"
    page.locator("output", has_text="step 500").wait_for()
    assert play.inner_text() == "Play"  # it stops at the end


def test_grids_are_the_files_of_the_run(page, report):
    show(page, report / "one" / "report.html")
    page.locator("input[type=range]").fill("2")
    script = "image => fetch(image.src).then(r => r.text()).catch(() => 'refused')"
    assert page.locator("img.grid").evaluate(script) == "refused"  # the policy lets nothing be fetched, not even this
    page.errors.clear()
    read = """image => { const c = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext('2d');
        c.drawImage(image, 0, 0); return [image.naturalWidth, [...c.getImageData(20, 20, 1, 1).data]]; }"""
    width, pixel = page.locator("img.grid").evaluate(read)
    with Image.open(report / "one" / "samples" / "0000200.png") as image:
        assert (width, pixel[0]) == (image.width, image.getpixel((20, 20)))


@pytest.mark.slow  # three seconds of a browser; others look at the page in `make test`
def test_numbers_are_in_a_table_for_those_who_cannot_see_the_chart(page, report):
    show(page, report / "one" / "report.html")
    chart = page.locator(".chart").nth(titles(page).index("loss"))
    assert chart.locator("table").count() == 0
    chart.locator("summary").press("Enter")
    chart.locator("table").wait_for()
    assert chart.locator("thead th").all_inner_texts() == ["step", "discriminator", "generator"]
    assert chart.locator("tbody tr").count() == 50
    assert chart.locator("tbody tr").first.locator("th, td").all_inner_texts() == ["10", "1.1", "0.1"]
    assert "generator: 0.1 at step 10, 0.002 at step 500" in chart.locator(".plot").get_attribute("aria-label")


def test_everything_is_reached_by_the_tab_key(page, report):
    show(page, report / "one" / "report.html")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.className || document.activeElement.type || document.activeElement.tagName"
            )
        )
    assert {"play", "range", "to-best", "log", "copy", "SUMMARY", "wide"} <= reached


@pytest.mark.slow  # three seconds of a browser; others look at the page in `make test`
def test_a_logarithmic_axis_can_be_had_and_left(page, report):
    show(page, report / "one" / "report.html")
    log = page.locator(".chart").first.locator(".log")
    axis = "document.querySelector('.plot').layout.yaxis.type"
    assert (log.get_attribute("aria-pressed"), page.evaluate(axis)) == ("true", "log")  # from 41 to 0.9
    log.click()
    assert (log.get_attribute("aria-pressed"), page.evaluate(axis)) == ("false", "linear")


@pytest.mark.slow  # three seconds of a browser; others look at the page in `make test`
def test_further_numbers_are_drawn_when_asked_for(page, report):
    show(page, report / "one" / "report.html")
    more = page.locator(".more")
    assert more.locator(".main-svg").count() == 0
    more.locator("summary").first.click()
    more.locator(".main-svg").first.wait_for()
    assert more.locator("h3").all_inner_texts() == ["precision-recall-recall"]
    assert more.locator(".main-svg").first.bounding_box()["width"] > 300


def test_facts_events_recipe_and_commands_are_there(page, report):
    show(page, report / "one" / "report.html")
    text = page.inner_text("body")
    assert "500 of 500 steps: finished" in text
    assert "4 steps/s, 128 examples/s" in text
    assert "2 cpu devices" in text
    assert "rollback 1 to step 200: explosion: loss" in text
    assert "--quick leaves them out" in text
    assert "gan train" in page.locator("#commands-0 pre").inner_text()
    assert page.locator("#recipe-0 pre").text_content() == RECIPE
    page.locator("#commands-0 .copy").click()
    page.locator("#commands-0 .copy", has_text=re.compile("Copied|Selected")).wait_for()


@pytest.mark.slow  # three seconds of a browser; others look at the page in `make test`
def test_several_runs_are_overlaid(page, report):
    show(page, report / "both.html")
    names = titles(page)
    drawn = curves(page, names.index("loss"))
    assert drawn == {
        f"{run} · {who}": n for run, n in (("one", 50), ("other", 30)) for who in ("discriminator", "generator")
    }
    assert curves(page, names.index("precision-recall")) == {"one": 6, "other": 4}
    lines = "document.querySelectorAll('.plot')[1].data.filter(trace => trace.line)"  # not the stars
    colours = page.evaluate(f"{lines}.map(trace => trace.line.color)")
    assert len(set(colours)) == 2
    assert page.locator("input[type=range]").count() == 2
    page.locator("input[type=range]").nth(1).focus()
    page.keyboard.press("Home")
    assert page.locator("output").all_inner_texts() == ["step 400 · fid 1 · best checkpoint", "step 0 · fid 42"]
    assert page.locator(".facts thead th").all_inner_texts() == ["one", "other"]


@pytest.mark.parametrize("name", ["one/report.html", "both.html"])
def test_a_phone_does_not_scroll_sideways(browser, report, name):
    with opened(browser, viewport=PHONE, is_mobile=True, has_touch=True) as page:
        show(page, report / name)
        assert not page.scrolls_sideways()
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        page.wait_for_selector(".numbers table")
        assert not page.scrolls_sideways()
        small = "[...document.querySelectorAll('button')].filter(b => b.getBoundingClientRect().height < 40).length"
        assert page.evaluate(small) == 0
        assert page.evaluate("document.querySelector('.plot').layout.dragmode") is False  # a finger scrolls the page


def contrast(a: list[int], b: list[int]) -> float:
    """WCAG's contrast ratio of two colours [R, G, B]."""
    linear = [
        np.where((x := np.array(c[:3]) / 255) <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) for c in (a, b)
    ]
    one, other = (0.05 + x @ np.array([0.2126, 0.7152, 0.0722]) for x in linear)
    return max(one, other) / min(one, other)


@pytest.mark.slow  # three seconds of a browser; others look at the page in `make test`
def test_dark_mode_and_light_are_legible_and_change_while_open(browser, report):
    colours = """() => {
        const of = (where, what) => getComputedStyle(document.querySelector(where))[what].match(/[\\d.]+/g).map(Number);
        const inks = ['h1', '.quiet', 'a', '.state', 'summary'].map(where => of(where, 'color'));
        return [of('body', 'backgroundColor'), of('.xtick text', 'fill'), ...inks];
    }"""
    papers = []
    with opened(browser, color_scheme="dark") as page:
        show(page, report / "one" / "report.html")
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            paper, *inks = page.evaluate(colours)
            for _ in range(100):
                if inks[0] == inks[2]:  # Plotly has drawn its ticks anew, in the colour of other quiet text
                    break
                page.wait_for_timeout(50)
                paper, *inks = page.evaluate(colours)
            papers.append(sum(paper[:3]))
            assert min(contrast(paper, ink) for ink in inks) > 4.5
    assert papers[0] < 150 < 600 < papers[1]


def test_strings_of_strangers_stay_text(page, tmp_path):
    png = (write_run(tmp_path / "run") / "samples" / "0000100.png").read_bytes()
    shown = Picture(png, 10, 10, HOSTILE)
    curve = Curve(f"{HOSTILE}/x", HOSTILE, f"<a href='https://example.com'>{HOSTILE}</a>", [1, 2], [1.0, 2.0], 2)
    other = curve._replace(label="<b>bold</b>", lower_is_better=True, metric=True)
    run = RunPart(
        name=HOSTILE, state=HOSTILE, facts={HOSTILE: HOSTILE}, curves=[curve, other],
        events=[Event(1, HOSTILE, HOSTILE)], best=2, protocol=HOSTILE,
        grids=[Grid(1, HOSTILE, shown), Grid(2, HOSTILE, shown)], real=shown, real_text=HOSTILE,
        figures=[Figure(HOSTILE, shown, HOSTILE)], notes=[HOSTILE], recipe=HOSTILE, commands=HOSTILE,
    )  # fmt: skip
    path = tmp_path / "page.html"
    path.write_text(pages.render([run, run], HOSTILE, [(HOSTILE, [HOSTILE, HOSTILE])]), encoding="utf-8")
    show(page, path)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.wait_for_selector(".numbers table")
    page.locator("input[type=range]").first.focus()
    page.keyboard.press("End")
    assert page.title().startswith(HOSTILE.split("<!--")[0][:20])
    assert page.locator("script").count() == 3
    assert page.locator("body img:not(.pixels)").count() == 0
    assert page.locator("a[href^=http], svg a").count() == 0
    assert page.locator(".numbers thead th").nth(1).inner_text().startswith("</script>")
    assert page.locator(".legendtext").first.text_content().startswith("</script>")
    assert "<b>bold</b>" in page.locator(".numbers thead").first.inner_text()
    assert HOSTILE in page.locator("pre").first.text_content()


def test_a_hostile_run_folder_stays_text(page, gan, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    recipe = f"# {HOSTILE}\n{RECIPE}".replace('metric = "fid', f'metric = "{name},fid')
    run = write_run(tmp_path / name, recipe=recipe)
    write_lines(
        run / "log.jsonl", [{"step": 1, f"{name}/{name}": 1.0, "alarms": [HOSTILE], "rollback": name, "because": name}]
    )
    evaluation = {"step": 100, name: 2.0, "protocol": {name: HOSTILE}}
    write_lines(run / "metrics.jsonl", [evaluation, {**evaluation, "weights": name}])
    write_checkpoint(run, 100, -2.0, versions={name: HOSTILE})
    code, _, err = gan("report", run, "--quick")
    assert code == 0, err
    show(page, run / "report.html")
    assert page.locator("h1").inner_text() == name
    assert page.locator("body img:not(.pixels)").count() == 0
    assert "owned" not in page.title()
    assert HOSTILE in page.locator("#recipe-0 pre").text_content()


def test_the_policy_lets_nothing_else_run_or_load(page, report, tmp_path):
    html = (report / "one" / "report.html").read_text()
    inserted = "<script>document.title='owned'</script><img src='https://example.com/x.png' onerror='document.title=1'>"
    (tmp_path / "x.html").write_text(html.replace("<main>", f"<main>{inserted}", 1))
    page.goto((tmp_path / "x.html").as_uri())
    page.wait_for_selector(".plot .main-svg")  # our own scripts run
    assert page.title() == "one – gan report"
    assert len([error for error in page.errors if "Content Security Policy" in error]) >= 2
    assert any("x.png: csp" in error for error in page.errors)
    page.errors.clear()
    page.outside.clear()  # what it was refused


def test_scripts_and_data_cannot_end_early():
    assert pages.script_json({"a": "</script><!--"}) == '{"a":"\\u003c/script>\\u003c!--"}'
    assert json.loads(pages.script_json({"a": HOSTILE})) == {"a": HOSTILE}
    html = pages.render([RunPart("x", "", {}, [Curve("loss", "loss", "g", [1], [1.0], 1)])], "made")
    assert html.count("<script") == html.count("</script>") == 3
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", html.partition("<script>")[0])


def test_points_of_a_protocol_of_their_own_are_named(report):
    html = (report / "one" / "report.html").read_text()
    assert f"n real {PROTOCOL['n_real']}; n fake {PROTOCOL['n_fake']}" in html  # every number with its protocol


def test_what_has_no_room_is_named():
    curves = [Curve(f"turn/kind{i}", f"kind{i}", "turn", [1, 2], [1.0, 2.0], 2) for i in range(42)]
    text = pages.render([RunPart("run", "2 steps", {}, curves)], "made")
    assert "There was no room for kind40, kind41." in text
