"""`gan card`: what people and the Hub read of a model, whatever its files say."""

import json
import sys

import pytest
import yaml
from markdown_it import MarkdownIt
from moved_runs import ADAM, DIGITS, PROTOCOL, STEP, moved_run
from PIL import Image

from gan_cli.errors import InputError
from gan_cli.export import card, facts, markdown
from gan_cli.runs.load import load_run

EVIL = "<img src=x onerror=alert(1)> [a](http://evil) ![b](http://evil/b.png) **c** `d` | e\n---\n# f & http://evil @g"
METRICS = (
    {"step": STEP, "fid": 99.0, "protocol": PROTOCOL, "weights": "average"},
    {
        "step": STEP,
        "fid": 12.5,
        "kid": 0.01,
        "fid-zebra": 3.0,
        "score": -12.5,
        "protocol": PROTOCOL,
        "weights": "average",
    },
    {"step": STEP, "fid": 77.0, "protocol": PROTOCOL, "weights": "raw"},
    {"step": 1, "is": 3.0, "protocol": PROTOCOL, "weights": "average"},
)
LOG = (
    {"step": 2, "monitor": {}, "alarms": ["collapse: fakes differ from each other 0.010 times as much as reals do"]},
    {"step": 4, "monitor": {}, "alarms": ["collapse: fakes differ from each other 0.020 times as much as reals do"]},
    {"step": 6, "monitor": {}, "alarms": []},
    {"step": STEP + 1, "monitor": {}, "alarms": ["explosion: it is later"]},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return moved_run(tmp_path_factory.mktemp("card") / "a_run", "classes", log=LOG, metrics=METRICS, score=-12.5)


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """A run whose names and files say what they like."""
    lines = (
        {"step": STEP, EVIL: 1.0, "fid": 10**400, "kid": True, "protocol": {**PROTOCOL, "split": EVIL}},
        {"step": STEP, "precision": 0.5, "protocol": EVIL},
        {"step": STEP, "recall": 0.5, "protocol": {**PROTOCOL, "n_real": EVIL}},
        {"step": EVIL, "fid": 1.0},
    )
    log = (
        {"step": 1, "alarms": [EVIL, 7, None]},
        {"step": EVIL, "alarms": [EVIL]},
        {"step": 1, "alarms": EVIL},
        {"alarms": {}},
    )
    classes = (EVIL, "x" * 500, "\x1b[31m", *map(str, range(7)))
    return moved_run(tmp_path_factory.mktemp("card") / "run", "classes", log=log, metrics=lines, classes=classes)


def split(text: str) -> tuple[dict, str]:
    """A card's metadata and its Markdown."""
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def elements(body: str) -> list:
    """Every element of a Markdown text, those inside of paragraphs among them."""
    blocks = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)
    return [token for block in blocks for token in (block, *(block.children or ()))]


def test_a_card_tells_numbers_protocol_and_alarms(gan, run, tmp_path):
    code, out, err = gan("card", "--ckpt", run, "--out", tmp_path / "README.md", "--license", "mit", "--json")
    assert code == 0, err
    assert json.loads(out)["step"] == STEP
    head, body = split((tmp_path / "README.md").read_text())
    assert head["license"] == "mit"
    assert head["library_name"] == "gan-cli"
    assert head["pipeline_tag"] == "unconditional-image-generation"
    assert {"gan", "jax", "class-conditional"} <= set(head["tags"])
    assert head["metrics"] == ["fid", "kid"]
    fid, kid = head["model-index"][0]["results"]
    assert (fid["metrics"][0]["value"], kid["metrics"][0]["value"]) == (12.5, 0.01)
    assert fid["metrics"][0]["args"]["n_fake"] == 100
    assert "| fid | 12.5 | digits `cf7af2dfefa6` | 100 | 1,797 | digits all |" in body
    assert "2 times between steps 2 and 4: collapse: fakes differ from each other 0.020 times" in body
    assert "explosion" not in body.rpartition("## Limitations")[2]
    assert "loss `adversarial.hinge`" in body
    assert "# A model of classes." in body
    assert "batch = 16" in body
    assert "jax 0." in body
    assert "![Samples](sample_grid.png)" in body
    assert "by fid among 3" in body
    assert "zebra" not in body  # a part of fid, for metrics.json
    assert {line["metric"] for line in facts.public_lines(load_run(run), raw=False)} == {"fid", "kid", "fid-zebra"}
    with Image.open(tmp_path / "sample_grid.png") as picture:
        assert picture.height > picture.width  # ten classes in rows, eight latents
    code, _, err = gan("card", "--ckpt", run, "--out", tmp_path / "README.md", "--raw")
    head, body = split((tmp_path / "README.md").read_text())
    assert [r["metrics"][0]["value"] for r in head["model-index"][0]["results"]] == [77.0]
    assert "license" not in head
    assert "No licence was named." in body


def test_each_metric_has_its_own_options_written_out(tmp_path):
    options = {"kid": {"degree": 3}, "precision-recall": {"k": 3}}
    line = {"step": STEP, "fid": 1.0, "kid": 0.1, "precision-recall-recall": 0.5, "weights": "average"}
    metrics = ({**line, "protocol": {**PROTOCOL, "options": options}},)
    text = card.card_text(load_run(moved_run(tmp_path / "run", "classes", metrics=metrics)), card.CardOptions("m"))
    found = {r["metrics"][0]["name"]: r["metrics"][0]["args"] for r in split(text)[0]["model-index"][0]["results"]}
    assert {name: args.get("options") for name, args in found.items()} == {
        "fid": None,
        "kid": {"kid": {"degree": 3}},
        "precision-recall-recall": {"precision-recall": {"k": 3}},
    }
    assert not any(mark in text.split("---")[1] for mark in ("&id", "*id"))


def test_the_hub_s_own_library_reads_it(gan, run, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    assert gan("card", "--ckpt", run, "--out", tmp_path / "README.md", "--license", "apache-2.0")[0] == 0
    read = hub.ModelCard.load(tmp_path / "README.md")
    assert (read.data.license, read.data.pipeline_tag) == ("apache-2.0", "unconditional-image-generation")
    assert [result.metric_value for result in read.data.eval_results] == [12.5, 0.01]
    assert read.data.eval_results[0].dataset_name == "digits all"
    assert read.data.eval_results[0].metric_args["features"] == "digits"
    again = hub.ModelCardData(**read.data.to_dict() | {"model-index": None})
    assert again.library_name == "gan-cli"


def test_the_metric_that_chose_is_named_however_the_recipe_spells_it(run):
    loaded = load_run(run)
    table = {**loaded.meta.recipe["eval"], "metric": "sliced_wasserstein, fid"}
    history = [{"step": STEP, "fid": 1.0, "sliced-wasserstein": 3.0, "protocol": PROTOCOL}]
    meta = loaded.meta._replace(recipe={**loaded.meta.recipe, "eval": table}, history=history)
    text = card.card_text(loaded._replace(meta=meta), card.CardOptions("x"))
    assert "| checkpoint | 1 were judged by sliced-wasserstein up to this one |" in text
    assert split(text)[0]["metrics"][0] == "sliced-wasserstein"


def test_points_have_no_task_of_the_hub_s(gan, tmp_path):
    run = moved_run(tmp_path / "points", "points")
    code, _, err = gan("card", "--ckpt", run)
    assert code == 0, err
    head, body = split((run / "README.md").read_text())
    assert not head.keys() & {"pipeline_tag", "model-index", "metrics"}
    assert "draws points of 2" in body
    assert "No metric was taken" in body
    assert "Nobody looked for collapse" in body
    assert (run / "sample_grid.png").exists()


@pytest.mark.parametrize(("kind", "ask"), [("domains", "ab"), ("pairs", "translate")])
def test_a_model_that_starts_from_examples_says_what_it_is_given(gan, tmp_path, kind, ask):
    pair = {**PROTOCOL, "features": "", "features_hash": "", "n_real": 0, "split": "", "given": "ab of 100"}
    metrics = ({"step": STEP, "l1": 0.1, "protocol": pair, "weights": "average"},)
    run = moved_run(tmp_path / kind, kind, metrics=metrics)
    code, _, err = gan("card", "--ckpt", run)
    assert code == 0, err
    head, body = split((run / "README.md").read_text())
    assert head["pipeline_tag"] == "image-to-image"
    assert f"- `{ask}`: images of 8 x 8 x 1, made from images of 8 x 8 x 1" in body
    assert f"gan apply --ckpt RUN --ask {ask} --input IMAGES" in body
    assert "| l1 | 0.1 | none | 100 | none |" in body
    assert "--neighbours" not in body
    assert ("| data a | `digits`, split `all` |" in body) == (kind == "domains")
    with Image.open(run / "sample_grid.png") as picture:
        assert picture.width > 8 * 8


def test_a_classifiers_card_shows_what_is_classified(gan, tmp_path):
    recipe = {
        "data": DIGITS,
        "networks": {"network": {"net": "mlp", "hidden": [4]}},
        "game": {"play": "classifier"},
        "optimisers": {"network": ADAM},
    }
    run = moved_run(tmp_path / "classifier", "network", recipe=recipe)
    code, _, err = gan("card", "--ckpt", run)
    assert code == 0, err
    body = (run / "README.md").read_text()
    assert "Some of its own data." in body
    assert "--out results.csv" in body
    assert "results.png" not in body
    with Image.open(run / "sample_grid.png") as picture:
        assert picture.width > 8 * 8


def test_strangers_words_stay_words(gan, evil, tmp_path):
    out = tmp_path / "README.md"
    code, _, err = gan("card", "--ckpt", evil, "--out", out, "--name", EVIL)
    assert code == 0, err
    text = out.read_text()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 5000
    head, body = split(text)
    assert len(head["metrics"]) == 1  # inf, True and lines without a protocol are not numbers
    found = elements(body)
    kinds = [element.type for element in found]
    assert not [kind for kind in kinds if kind.startswith(("html", "link", "hr"))]
    (picture,) = [element for element in found if element.type == "image"]
    assert picture.attrs["src"] == "sample_grid.png"
    assert kinds.count("heading_open") == 1 + 4 + 0
    assert "http://" not in body.replace("http\\://", "")
    fences = [element for element in found if element.type == "fence"]
    assert [fence.info for fence in fences] == ["toml", "python", "", "python"]
    texts = "".join(element.content for element in found if element.type == "text")
    assert "<img src=x onerror=alert(1)>" in texts  # shown as it is
    tables = [element for element in found if element.type in ("th_open", "tr_open")]
    assert tables
    hub = pytest.importorskip("huggingface_hub")
    assert hub.ModelCard(text).data.library_name == "gan-cli"


@pytest.mark.parametrize("text", ["```\n# x\n````\ny", "`", "a\x07b", ""])
def test_nothing_ends_a_block_of_code(text):
    (fence,) = MarkdownIt().parse(markdown.block(text, "toml"))
    assert fence.type == "fence"
    assert fence.content.strip("\n") == text.replace("\x07", " ")
    (inline,) = [t for t in MarkdownIt().parse(f"x {markdown.code(text or '-')} y") if t.type == "inline"]
    assert [t.type for t in inline.children] == ["text", "code_inline", "text"]


def test_another_text_is_not_overwritten(gan, run, tmp_path):
    (tmp_path / "README.md").write_text("# My project\n")
    code, _, err = gan("card", "--ckpt", run, "--out", tmp_path / "README.md")
    assert (code, "not a card that gan wrote" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "# My project\n"
    (tmp_path / "sample_grid.png").write_bytes(b"mine")  # or another card's
    code, _, err = gan("card", "--ckpt", run, "--out", tmp_path / "other.md")
    assert (code, "is not this card's" in err) == (2, True)
    assert (tmp_path / "sample_grid.png").read_bytes() == b"mine"
    assert not (tmp_path / "other.md").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "x.txt"], "ends in .md"),
        (["--out", "no/where.md"], "does not exist"),
        (["--out", "memory://x/README.md"], "two files"),
        (["--license", "my own\nlicence"], "such as mit"),
    ],
)
def test_what_cannot_be_is_said_before(gan, run, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    code, _, err = gan("card", "--ckpt", run, *options)
    assert (code, said in err) == (2, True), err
    assert not list(tmp_path.iterdir())


def test_a_card_of_a_run_at_a_url_needs_a_name(gan):
    code, _, err = gan("card", "--ckpt", "memory://somewhere/run")
    assert (code, "name a file" in err) == (2, True), err


def test_versions_are_the_checkpoint_s(run):
    loaded = load_run(run)
    assert facts.versions(loaded)["jax"] == sys.modules["jax"].__version__
    with pytest.raises(InputError):
        card.check_licence("MIT License")
