"""Slips of the pen in recipes and on the command line: read where that is safe, named with their mend otherwise."""

import pytest

from gan_cli import build, recipe, recipe_tables, slips
from gan_cli.errors import InputError

RING = recipe.find_recipe("ring")
RECIPE = '# A header, é.\n[data]\nsource = "folder"\npath = "imgs"\n'

VALUES = [
    ("train.steps='2000'", "it is text, and a number is wanted, without quotes: 2000"),
    ("train.steps='2e4'", "without quotes: 20000"),
    ("train.steps=2e4", "it wants no point and no exponent: 20000"),
    ("train.steps=1,000", "without quotes: 1000"),
    ("train.steps=\u201c2000\u201d", "without quotes: 2000"),
    ("train.steps=2000steps", "it is text, and a number is wanted"),
    ("train.steps=None", "leave the key out"),
    ("train.steps=", "leave the key out"),
    ("ema.warmup='true'", "true is wanted, without quotes"),
    ("ema.warmup=False", "false is wanted, without quotes"),
    ("ema.warmup=1", "true is wanted"),
    ("ema.warmup=perhaps", "true or false is wanted"),
    ("train.resident=True", "[train] resident = 'True': "),
    ("ema.decay=.99", "without quotes: 0.99"),
    ("optimisers.generator.learning_rate='2e-4'", "without quotes: 2e-4"),
    ("optimisers.generator.learning_rate='1e-4 '", "without quotes: 1e-4"),
    ("optimisers.generator.learning_rate=0.0002f", "without quotes: 0.0002"),
    ("optimisers.generator.learning_rate='cosine'", "no such schedule"),
    ("optimisers.generator.b1='0.5'", "without quotes: 0.5"),
    ("optimisers.generator.learning_rate={schedule='linear_schedule', init_value='1', end_value=0}", "quotes: 1"),
    ("optimisers.generator.name=ADAMW", "did you mean 'adamw'?"),
    ("game.penalties=[{name='penalties.r1', every='16'}]", "penalties.0.every = '16'"),
    ("game.penalties=[penalties.r1]", "not valid TOML"),
    ("game.loss=3", "[game] loss: expected the name of a loss"),
    ("game.play=3", "expected the name of a game"),
    ("eval.features=2", 'in quotes: "2"'),
    ("monitor.action=Warn", "did you mean 'warn'?"),
    ("networks.generator.net=dcgan", "'dcgan.discriminator' or 'dcgan.generator'?"),
    (r'data.path="C:\Users\me"', r"single quotes, 'C:\Users\me'"),
]


@pytest.mark.parametrize(("override", "mend"), VALUES)
def test_a_value_of_another_type_is_told_what_would_be_right(override, mend):
    with pytest.raises(InputError) as error:
        build.resolve(recipe.read_tables(RING, [override]), "ring.toml")
    assert mend in str(error.value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("2e-4", "2e-4"), (" 64,", "64"), ("1,000", "1000"), (".5", "0.5"), ("5.", "5.0"), ("0.1f", "0.1"), ("-1", "-1")]
    + [(text, None) for text in ("adam", "inf", "nan", "2k", "1 2", "", "1\nb = 2", "2026-11-30", "9" * 400 + ".")],
)
def test_numbers_in_text(text, number):
    assert slips.number_in(text) == number


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_recipe_is_read_in_the_coding_that_its_mark_names(tmp_path, coding, gan):
    path = tmp_path / "a.toml"
    path.write_bytes(RECIPE.replace("\n", "\r\n").encode(coding))
    assert recipe.read_tables(path) == {"data": {"source": "folder", "path": "imgs"}}
    assert recipe.header(path) == "A header, é."
    code, out, _ = gan("recipe", "show", path)
    assert (code, out.splitlines()[0]) == (0, "# A header, é.")


LINES = [
    (r'path = "C:\Users\me"', r"in double quotes a backslash begins a special sign: single quotes, 'C:\Users\me'"),
    (r"path = C:\Users", r"text wants quotes: path = 'C:\Users'"),
    ("path = imgs", 'text wants quotes: path = "imgs"'),
    ("path = \u201cimgs\u201d", "typographic"),
    ("path: imgs", "it looks like YAML"),
    ("labels = True", "labels = true would do"),
    ("size = null", "leave the key out"),
    ("size = 1,000", "size = 1000 would do"),
    ("size = .5", "size = 0.5 would do"),
    ("<<<<<<< HEAD", "a merge left it there"),
    ("size = \x1b[31m", "\N{REPLACEMENT CHARACTER}[31m"),
]


@pytest.mark.parametrize(("line", "mend"), LINES)
def test_a_line_that_is_not_toml_is_shown_with_its_mend(line, mend):
    with pytest.raises(InputError, match="not valid TOML") as error:
        recipe_tables.parse(RECIPE.replace('path = "imgs"', line).encode(), "a.toml")
    assert "at line 4" in str(error.value)
    assert mend in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RECIPE.encode("latin-1"), "line 1: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        (RECIPE.replace("é", "e").encode("utf-16-le"), "null bytes"),
        (b'{"data": {"source": "digits"}}', "it looks like JSON"),
        (b"data:\n  source: digits\n", "it looks like YAML"),
    ],
)
def test_a_file_that_is_no_toml_is_named_for_what_it_is(text, message):
    with pytest.raises(InputError) as error:
        recipe_tables.parse(text, "a.toml")
    assert str(error.value).startswith("a.toml: ")
    assert message in str(error.value)
