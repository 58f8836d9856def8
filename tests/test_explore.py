"""`gan explore`: what its server answers, what it refuses, and the page in a real browser."""

import base64
import http.client
import io
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import unquote

import numpy as np
import pytest
from browser import DESKTOP, PHONE, opened
from moved_runs import GIVEN, moved_run
from PIL import Image

from gan_cli.errors import InputError
from gan_cli.explore import server as serving
from gan_cli.explore.requests import QUESTION, parse_body
from gan_cli.explore.service import Service
from gan_cli.model import Model
from gan_cli.runs.load import load_run


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Runs of models that start from examples, by kind."""
    folder = tmp_path_factory.mktemp("given")
    return {kind: moved_run(folder / kind, kind) for kind in GIVEN}


@pytest.fixture(scope="module")
def servers(untrained, given):
    """The servers of these runs, by name; each is made when it is first asked for."""
    runs = {**untrained, **given}
    with ExitStack() as stack:
        made = {}

        def server(name):
            if name not in made:
                listening = stack.enter_context(serving.listen(0))
                listening.start(Service(load_run(runs[name]), str(runs[name])))
                stack.callback(listening.shutdown)
                made[name] = listening
            return made[name]

        yield server


@pytest.fixture(scope="module")
def models(untrained):
    return {name: Model(load_run(run)) for name, run in untrained.items()}


def ask(server, path, body, method="POST", **headers):
    """Status, headers and body of one request; a dict is sent as JSON."""
    connection = http.client.HTTPConnection(*server.server_address, timeout=60)
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    usual = {} if data is None else {"Content-Type": "application/json"}
    sent = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection.request(method, path, data, {name: value for name, value in sent.items() if value is not None})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def drawn(server, body):
    status, _, content = ask(server, "/draw", body)
    assert status == 200, content
    return json.loads(content)


def pixels(made):
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(image)))) for image in made["images"]]
    return np.stack(pictures)


def samples(seed=0, n=16, **more):
    return {"view": "samples", "seed": seed, "n": n, **more}


def pin(seed, truncation=None, **values):
    return {"seed": seed, "truncation": truncation, "values": values}


# What is drawn


@pytest.mark.parametrize("n", [1, 5, 16, 64])
def test_samples_are_those_of_the_model(servers, models, n):
    made = drawn(servers("plain"), samples(seed=7, n=n, truncation=0.5))
    wanted = models["plain"].sample(seeds=range(7, 7 + n), truncation=0.5).arrays[..., 0]
    assert np.array_equal(pixels(made), wanted)
    assert made["names"] == ([f"seed {seed}" for seed in range(7, 7 + n)])


def test_classes_and_codes_are_those_asked_for_and_the_others_are_told(servers, models):
    made = drawn(servers("classes"), samples(n=4, values={"class": 3}))
    assert np.array_equal(pixels(made), models["classes"].sample(seeds=range(4), label=3).arrays[..., 0])
    assert made["values"]["class"] == [3] * 4
    made = drawn(servers("codes"), samples(n=4, values={"c0": 2, "c1": 0.25}))
    wanted = models["codes"].sample(seeds=range(4), codes={"c0": 2, "c1": 0.25}).arrays[..., 0]
    assert np.array_equal(pixels(made), wanted)
    assert made["values"]["c1"] == [0.25] * 4
    assert made["values"]["c2"] == pytest.approx(models["codes"].latents(seeds=range(4))["c2"])


def test_pins_are_made_as_they_were_pinned(servers, models):
    made = drawn(servers("classes"), {"view": "pins", "pins": [pin(3, **{"class": 7}), pin(3), pin(9, 0.5)]})
    model = models["classes"]
    alone = [model.sample(seeds=[3], label=7), model.sample(seeds=[3]), model.sample(seeds=[9], truncation=0.5)]
    assert np.array_equal(pixels(made), np.concatenate([one.arrays[..., 0] for one in alone]))
    assert made["command"] == ""


def test_a_walk_begins_and_ends_at_its_pins_and_its_places_are_its_steps(servers, models):
    walk = {"view": "walk", "pins": [pin(1), pin(2)], "steps": 5}
    whole = pixels(drawn(servers("plain"), walk))
    assert np.array_equal(whole[[0, -1]], models["plain"].sample(seeds=[1, 2]).arrays[..., 0])
    for at in range(5):
        assert np.array_equal(pixels(drawn(servers("plain"), {**walk, "at": at}))[0], whole[at])
    straight = pixels(drawn(servers("plain"), {**walk, "path": "linear"}))
    assert not np.array_equal(straight[2], whole[2])


def test_a_walk_between_unlike_codes_goes_straight_through_them(servers, models):
    ends = [pin(1, c1=-1.0, c0=1), pin(2, c1=1.0, c0=2)]
    made = drawn(servers("codes"), {"view": "walk", "pins": ends, "steps": 3})
    assert made["values"]["c1"] == [-1.0, 0.0, 1.0]
    assert made["values"]["c0"] == [1, 1, 1]
    assert made["command"] == ""


COMMANDS = {
    "samples": ("plain", samples(seed=3, n=16, truncation=0.7)),
    "a class": ("classes", samples(seed=3, n=4, values={"class": 4})),
    "codes": ("codes", samples(n=4, values={"c0": 2, "c1": -0.35})),
    "raw": ("plain", samples(n=4, raw=True)),
    "pins": ("plain", {"view": "pins", "pins": [pin(4, 0.7), pin(2, 0.7)]}),
    "a walk": ("classes", {"view": "walk", "pins": [pin(3), pin(17)], "steps": 8, "path": "linear"}),
    "a sum": (
        "plain",
        {"view": "sum", "plus": [pin(0), pin(1)], "minus": [pin(3), pin(3)], "also": [pin(6)]},
    ),
    "a sum of one class": (
        "classes",
        {"view": "sum", "also": [pin(6, **{"class": 1})], "minus": [pin(2, **{"class": 1})]},
    ),
    "points": ("points", samples(seed=5, n=1, values={"branch": 1})),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_the_command_that_is_shown_makes_the_same_file(servers, gan, tmp_path, case):
    name, body = COMMANDS[case]
    command = shlex.split(drawn(servers(name), body)["command"])
    kinds = ["npz"] if name == "points" else ["png", "npz", *(["gif"] if body["view"] == "walk" else [])]
    for kind in kinds:
        status, _, content = ask(servers(name), f"/file/{kind}", body)
        assert status == 200
        assert command[0] == "gan"
        assert command[-2] == "--out"
        out = tmp_path / f"out.{kind}"
        code, _, err = gan(*command[1:-1], out)
        assert code == 0, err
        if kind == "npz":
            with np.load(out) as theirs, np.load(io.BytesIO(content)) as ours:
                assert sorted(theirs) == sorted(ours)
                assert all(np.array_equal(theirs[key], ours[key]) for key in theirs)
        else:
            assert out.read_bytes() == content


def test_the_result_of_a_sum_is_the_sum_of_its_latents(servers, models):
    made = drawn(servers("plain"), {"view": "sum", "plus": [pin(0), pin(1)], "minus": [pin(3)]})
    z = models["plain"].latents(seeds=[0, 1, 3])["z"].astype(np.float64)
    wanted = models["plain"].draw({"z": ((z[0] + z[1]) / 2 - z[2])[None].astype(np.float32)}).arrays[0, ..., 0]
    assert made["names"][3:6] == ["mean of 0,1", "mean of 3", "result"]
    assert np.abs(pixels(made)[5].astype(int) - wanted).max() <= 1


def test_points_are_one_plot_with_room_for_all_of_them(servers):
    server = servers("points")
    made = drawn(server, samples(n=1))
    assert pixels(made).shape == (1, 480, 480)
    assert "--seeds 0-499" in made["command"]
    assert ask(server, "/file/png", samples(n=1))[2].startswith(b"\x89PNG")
    status, _, content = ask(server, "/draw", {"view": "pins", "pins": [pin(0)]})
    assert (status, json.loads(content)["error"]) == (
        400,
        "pins is of images, and the samples of this model are points",
    )


def test_many_at_once_get_their_own(servers, models):
    wanted = models["plain"].sample(seeds=range(24)).arrays[..., 0]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda seed: drawn(servers("plain"), samples(seed=seed, n=1)), range(24)))
    assert np.array_equal(np.concatenate([pixels(one) for one in made]), wanted)


def test_the_description_is_what_the_page_needs(servers):
    status, headers, content = ask(servers("codes"), "/model.json", None, "GET")
    model = json.loads(content)
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert [(c["name"], c["categories"]) for c in model["controls"]] == [("c0", 4), ("c1", 0), ("c2", 0)]
    assert (model["truncatable"], model["prior"], model["points"]) == (False, "uniform", False)


def test_the_scores_are_those_of_the_checkpoint_and_no_number_beside_them(untrained):
    loaded = load_run(untrained["plain"])
    line = {"step": 0, "fid": 9.0, "kid": float("nan"), "score": -9.0, "protocol": {}}
    loaded = loaded._replace(meta=loaded.meta._replace(history=[{"step": 1, "fid": 1.0}, line]))
    assert Service(loaded, "x").description()["scores"] == {"fid": 9.0}


# What is made of examples


def upload(name: str, content: bytes, ask: str, **more):
    """A question about a file."""
    return {"ask": ask, "file": {"name": name, "data": base64.b64encode(content).decode()}, **more}


def png(image) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), np.uint8)


def test_answers_are_those_of_the_model_beside_what_was_given(servers, given):
    images, stream = noise(3), io.BytesIO()
    np.savez(stream, images)
    for kind, name, ask in (("domains", "three.npz", "ba"), ("pairs", "one.PNG", "translate")):
        some = images if name.endswith("npz") else images[:1]
        content = stream.getvalue() if name.endswith("npz") else png(images[0, ..., 0])
        status, _, answer = ask_(servers(kind), upload(name, content, ask, raw=True))
        made = json.loads(answer)
        assert status == 200, made
        assert np.array_equal(pixels(made["given"]), some[..., 0])
        assert np.array_equal(
            pixels(made["result"]), Model(load_run(given[kind]), raw=True).apply(some, ask=ask).arrays[..., 0]
        )
        assert made["names"] == ([name] if kind == "pairs" else ["0", "1", "2"])
        assert made["command"].endswith(f"--ask {ask} --input {name} --raw --out applied.png")


def ask_(server, body):
    return ask(server, "/answer", body)


def test_answers_about_its_own_data_have_their_truth_and_classes_their_probabilities(servers):
    made = json.loads(ask_(servers("pairs"), {"ask": "translate"})[2])
    assert len(made["given"]["images"]) == len(made["result"]["images"]) == len(made["truth"]["images"]) == 16
    made = json.loads(ask_(servers("classifier"), {"ask": "classify"})[2])
    assert len(made["classes"]) == len(made["true_classes"]) == 16
    assert [len(likeliest) for likeliest in made["classes"]] == [3] * 16
    assert made["classes"][0][0][1] >= made["classes"][0][1][1] > 0


def test_sounds_are_given_and_answered_as_sounds(tmp_path):
    sounds, stream = np.random.default_rng(0).uniform(-1, 1, (40, 64)).astype(np.float32), io.BytesIO()
    np.savez(tmp_path / "x.npz", x=sounds)
    np.savez(stream, sounds[:2])
    dense = {"net": "mlp", "hidden": [8]}
    recipe = {
        "data": {"source": "npz", "path": str(tmp_path / "x.npz"), "medium": "sound"},
        "networks": {"encoder": dense, "decoder": dense},
        "game": {"play": "vae", "latent": 2},
        "optimisers": {"vae": {"name": "adam", "learning_rate": 1e-3}},
        "train": {"steps": 1, "batch": 16},
    }
    run = moved_run(tmp_path / "run", "sounds", recipe=recipe)
    answers = Service(load_run(run), str(run)).answers
    made = answers.answer(
        parse_body(json.dumps(upload("two.npz", stream.getvalue(), "reconstruct")).encode(), QUESTION)
    )
    for kind in ("given", "result"):
        assert [base64.b64decode(sound)[:4] for sound in made[kind]["sounds"]] == [b"RIFF"] * 2
    np.savez(tmp_path / "short.npz", sounds[:2, :32])
    with pytest.raises(InputError, match=r"short.npz: holds sounds of shape \(32,\), and the model is given sounds of"):
        answers.answer(
            parse_body(
                json.dumps(upload("short.npz", (tmp_path / "short.npz").read_bytes(), "reconstruct")).encode(), QUESTION
            )
        )


BAD_QUESTIONS = {
    "abc": ({"ask": "abc"}, "--ask abc: is nothing it can be asked"),
    "a recipe": (upload("r.toml", b"[data]", "ab"), "r.toml: ab starts from .png, .apng"),
    "no suffix": (upload("../..", b"x", "ab"), "ab starts from"),
    "no image": (upload("../a?b.png", b"x", "ab"), "a_b.png: cannot be read as an image"),
    "no arrays": (upload("x.npz", b"PK", "ab"), "x.npz: "),
    "pickles": (upload("x.npz", b"\x80\x04N.", "ab"), "x.npz: is not"),
    "no base64": ({"ask": "ab", "file": {"name": "x.png", "data": "?"}}, "file.data"),
    "more": ({"ask": "ab", "path": "/etc/passwd"}, "path: Extra inputs are not permitted"),
}


@pytest.mark.parametrize("case", BAD_QUESTIONS)
def test_bad_questions_are_told_what_is_wrong(servers, case):
    body, said = BAD_QUESTIONS[case]
    status, _, content = ask_(servers("domains"), body)
    message = json.loads(content)["error"]
    assert (status, said in message) == (400, True), message
    assert "/tmp" not in message


def test_a_file_is_not_larger_than_it_may_be_and_only_the_page_sends_one(servers):
    server = servers("domains")
    head = (
        f"POST /answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {serving.UPLOAD + 1}\r\n\r\n"
    )
    with socket.create_connection(server.server_address, timeout=60) as connection:
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert ask(server, "/answer", {"ask": "ab"}, Origin="https://attacker.example")[0] == 403
    assert ask(server, "/draw", samples(n=1))[0] == 400  # it draws nothing


# What is refused


BAD = {
    b"": "Invalid JSON",
    b"[" * 60_000: "Invalid JSON",
    b"\xff\xfe": "Invalid JSON",
    b"[]": "should be an object",
    b'{"view": "pixels"}': "samples",
    json.dumps(samples(n=65)).encode(): "samples.n: Input should be less than or equal to 64",
    json.dumps(samples(n=0)).encode(): "greater than or equal to 1",
    json.dumps(samples(n="1")).encode(): "valid integer",
    json.dumps(samples(n=True)).encode(): "valid integer",
    json.dumps(samples(seed=-1)).encode(): "samples.seed",
    json.dumps(samples(seed=2**32)).encode(): "samples.seed",
    json.dumps(samples(seed=2**32 - 3)).encode(): "16 seeds from there on would leave 0 to 2^32 - 1",
    json.dumps(samples(truncation=0)).encode(): "truncation",
    json.dumps(samples(truncation=0.5)).encode(): "not normal",
    b'{"view": "samples", "seed": 0, "n": 1, "values": {"c1": NaN}}': "c1",
    json.dumps(samples(values={"c1": 1e300})).encode(): "c1",
    json.dumps(samples(values={"c1": "0.5"})).encode(): "c1",
    json.dumps(samples(values={"c0": 4})).encode(): "c0 = 4: there is no category 4: c0 has 0 to 3",
    json.dumps(samples(values={"c0": 0.5})).encode(): "c0 = 0.5: '0.5' is no category; c0 has 0 to 3",
    json.dumps(samples(values={"c11": 0})).encode(): "did you mean",
    json.dumps(samples(size=3)).encode(): "samples.size: Extra inputs are not permitted",
    json.dumps({"view": "walk", "pins": [pin(1)], "steps": 4}).encode(): "at least 2",
    json.dumps({"view": "walk", "pins": [pin(1), pin(2)], "steps": 129}).encode(): "128",
    json.dumps({"view": "walk", "pins": [pin(1), pin(2)], "steps": 4, "at": 4}).encode(): "4 steps has 0 to 3",
    json.dumps({"view": "pins", "pins": [pin(i) for i in range(13)]}).encode(): "at most 12",
    json.dumps({"view": "sum", "minus": [pin(1)]}).encode(): "a sum needs a pin to add",
    json.dumps({"view": "sum", "plus": [pin(1)] * 7, "also": [pin(1)] * 7}).encode(): "12 pins are the most",
}


@pytest.mark.parametrize("body", BAD, ids=lambda body: body[:60].decode("ascii", "replace"))
def test_bad_requests_are_told_what_is_wrong(servers, body):
    status, _, content = ask(servers("codes"), "/draw", body)
    message = json.loads(content)["error"]
    assert status == 400, message
    assert BAD[body] in message
    assert len(message) < 1000


def test_a_gif_is_of_a_walk(servers):
    status, _, content = ask(servers("plain"), "/file/gif", samples())
    assert (status, json.loads(content)["error"][:18]) == (400, "no .gif of samples")


OWN = "http://{host}:{port}"
REFUSED = {
    "a foreign Host": (403, {"Host": "attacker.example"}),
    "a Host that begins like ours": (403, {"Host": "127.0.0.1.attacker.example"}),
    "a broken Host": (403, {"Host": "[::1"}),
    "a foreign Origin": (403, {"Origin": "https://attacker.example"}),
    "no Origin of its own": (403, {"Origin": "null"}),
    "another port": (403, {"Origin": "http://127.0.0.1:1"}),
    "a foreign site": (403, {"Sec_Fetch_Site": "cross-site"}),
    "a neighbour": (403, {"Sec_Fetch_Site": "same-site"}),
    "a form": (415, {"Content_Type": "text/plain"}),
    "no type": (415, {"Content_Type": None}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_only_the_page_itself_may_ask(servers, case):
    wanted, headers = REFUSED[case]
    status, _, content = ask(servers("plain"), "/draw", samples(n=1), **headers)
    assert status == wanted
    assert json.loads(content)["error"]


def test_a_foreign_host_gets_no_page_either_and_localhost_does(servers):
    server = servers("plain")
    assert ask(server, "/", None, "GET", Host="attacker.example")[0] == 403
    assert ask(server, "/model.json", None, "GET", Host="attacker.example")[0] == 403
    assert ask(server, "/", None, "GET", Host="localhost:9000")[0] == 200
    own = f"localhost:{server.server_address[1]}"
    assert ask(server, "/draw", samples(n=1), Host=own, Origin=f"http://{own}", Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize("path", ["/nothing", "/page.py", "/../desk.py", "/%2e%2e/desk.py", "/file/png", "/draw"])
def test_nothing_else_can_be_fetched(servers, path):
    status, _, content = ask(servers("plain"), path, None, "GET")
    assert (status, json.loads(content)) == (404, {"error": "there is no such page"})


def test_nothing_else_can_be_asked(servers):
    assert ask(servers("plain"), "/", samples())[0] == 404
    assert ask(servers("plain"), "/file/exe", samples())[0] == 404
    assert ask(servers("plain"), "/draw", samples(), "DELETE")[0] == 501


def test_a_body_has_a_length_and_is_small(servers):
    server = servers("plain")
    assert ask(server, "/draw", b" " * (serving.LARGEST + 1))[0] == 413
    for lines in (
        "Content-Length: -1",
        "Content-Length: x",
        "Transfer-Encoding: chunked",
        "Content-Length: " + "9" * 40,
    ):
        head = f"POST /draw HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{lines}\r\n\r\n"
        with socket.create_connection(server.server_address, timeout=60) as connection:
            connection.sendall(head.encode())
            assert re.match(rb"HTTP/1.1 (411|413) ", connection.recv(1 << 16)), lines


def test_the_page_may_load_only_from_its_server_and_is_never_framed(servers):
    for path in ("/", "/page.js", "/base.css", "/page.css"):
        status, headers, content = ask(servers("plain"), path, None, "GET")
        assert status == 200
        assert content
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == (
            "'none'",
            "'self'",
            "'none'",
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
    status, headers, content = ask(servers("plain"), "/", None, "HEAD")
    assert (status, content) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


def test_ports_that_are_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"--port {taken}: .*in use; --port 0"):
            serving.listen(taken)


def test_the_next_free_port_is_taken_when_nobody_named_one(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(serving, "PORT", min(other.getsockname()[1], 65_000))
        with serving.listen() as server:
            assert server.server_address[0] == "127.0.0.1"
            assert server.server_address[1] != other.getsockname()[1]


# The process


@pytest.mark.parametrize(("number", "when"), [(signal.SIGINT, "serving"), (signal.SIGTERM, "compiling")])
def test_a_signal_ends_it_with_0(untrained, tmp_path, number, when):
    command = [sys.executable, "-m", "gan_cli", "explore", "--ckpt", untrained["plain"], "--no-open", "--port", "0"]
    connection = http.client.HTTPConnection("127.0.0.1", timeout=60)
    with (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True)
    try:
        if when == "serving":
            url = process.stdout.readline().strip()
            host, port = re.fullmatch(r"http://(127\.0\.0\.1):(\d+)/", url).groups()
            connection.host, connection.port = host, int(port)
            connection.request("GET", "/")  # and it stays open
            assert connection.getresponse().read().startswith(b"<!doctype html>")
        else:
            wait(lambda: "compiling" in (tmp_path / "err").read_text() or process.poll() is not None)
        process.send_signal(number)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stdout.close()
        connection.close()
    said = (tmp_path / "err").read_text()
    assert "Traceback" not in said
    assert "compiling for 1, 4, 16 and 64 samples at once" in said


def test_what_is_no_run_is_bad_input(gan, tmp_path):
    code, out, err = gan("explore", "--ckpt", tmp_path, "--no-open", "--port", 0)
    assert (code, out) == (2, "")
    assert "is not a run folder" in err


# The page


def wait(condition, seconds=60):
    """Until `condition()` is true; returns it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.02)
    return found


def visit(page, server):
    page.goto(server.url)
    page.wait_for_selector("#grid[data-asked]")


def source(page, selector="#grid .tile:first-child img"):
    return page.locator(selector).get_attribute("src")


def changes(page, act, selector="#grid .tile:first-child img"):
    """Do something; fails unless another picture is seen then."""
    before = source(page, selector)
    act()
    return wait(lambda: (now := source(page, selector)) != before and now)


def shown(page, selector):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source(page, selector).partition(",")[2]))))


def saved(page, act):
    with page.expect_download() as download:
        act()
    return download.value.path().read_bytes(), download.value.suggested_filename


def test_the_grid_shows_what_the_model_makes(page, servers, models):
    visit(page, servers("plain"))
    wanted = models["plain"].sample(seeds=range(16)).arrays[..., 0]
    for i in (0, 15):
        assert np.array_equal(shown(page, f".tile:nth-child({i + 1}) img"), wanted[i])
    changes(page, lambda: page.click("#next"))
    assert page.input_value("#seed") == "16"
    changes(page, lambda: page.fill("#seed", "3"))
    assert np.array_equal(shown(page, ".tile:nth-child(1) img"), wanted[3])
    changes(page, lambda: page.click("#random"))
    page.select_option("#count", "4")
    wait(lambda: page.locator(".tile").count() == 4)


def test_truncation_by_the_keyboard_and_back(page, servers, models):
    visit(page, servers("plain"))
    as_drawn = source(page)
    page.focus("#set-truncation")
    changes(page, lambda: page.keyboard.press("Home"))
    assert page.is_checked("#set-truncation-on")
    wait(
        lambda: np.array_equal(
            shown(page, ".tile img >> nth=0"), models["plain"].sample(seeds=[0], truncation=0.1).arrays[0, ..., 0]
        )
    )
    page.click("#set-truncation-on")
    wait(lambda: source(page) == as_drawn)


def test_classes_codes_and_weights_change_the_pictures(page, servers, models):
    visit(page, servers("codes"))
    assert page.locator("#set-truncation").count() == 0
    as_drawn = source(page)
    changes(
        page, lambda: page.select_option("#set-c0", "3" if "c0 3" not in page.inner_text(".tile >> nth=0") else "2")
    )
    page.focus("#set-c1")
    changes(page, lambda: page.keyboard.press("End"))
    asked = json.loads(page.get_attribute("#grid", "data-asked"))
    assert asked["values"]["c1"] == 1.0
    assert "--code c1=1" in page.inner_text("#files code")
    page.click("#reset")
    wait(lambda: source(page) == as_drawn)
    page.select_option("#weights", "raw")
    wait(lambda: "--raw" in page.inner_text("#files code"))


def test_enter_in_the_box_of_the_seed_draws_and_sends_no_form(page, servers):
    visit(page, servers("classes"))
    said = []
    page.on("console", lambda message: said.append(message.text))
    changes(page, lambda: (page.fill("#seed", "4294967295"), page.press("#seed", "Enter")))
    wait(lambda: json.loads(page.get_attribute("#grid", "data-asked"))["seed"] == 2**32 - 16)
    assert page.input_value("#seed") == str(2**32 - 16)
    assert said == []
    assert page.url.partition("#")[0] == servers("classes").url


def test_captions_say_what_their_numbers_are(page, servers):
    visit(page, servers("classes"))
    assert re.fullmatch(r"seed 3 · class \d", page.inner_text(".tile >> nth=3"))
    page.select_option("#count", "64")
    wait(lambda: page.locator(".tile").count() == 64)
    wait(lambda: re.fullmatch(r"3 · class \d", page.inner_text(".tile >> nth=3")))


def test_the_latest_place_of_a_slider_wins(page, servers):
    visit(page, servers("plain"))
    page.evaluate("""() => {
        const slider = document.getElementById("set-truncation");
        for (const value of [0.2, 0.4, 0.6, 0.8, 1.5]) {
            slider.value = value;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        }
    }""")
    wait(lambda: json.loads(page.get_attribute("#grid", "data-asked"))["truncation"] == 1.5)
    assert page.inner_text("#set-truncation-on ~ output") == "1.5"


def test_pins_walk_and_sum(page, servers, models):
    visit(page, servers("plain"))
    page.locator(".tile").nth(1).click()
    page.locator(".tile").nth(2).focus()
    page.keyboard.press("Enter")
    page.locator(".tile").nth(5).focus()
    page.keyboard.press("Space")
    wait(lambda: page.locator("#tray li").count() == 3)
    assert page.get_attribute(".tile >> nth=2", "aria-pressed") == "true"
    assert page.inner_text("#said") == "Pinned seed 5"

    wait(lambda: page.locator("#strip img").count() == 16)
    changes(page, lambda: (page.focus("#place"), page.keyboard.press("End")), "#between")
    wanted = models["plain"].sample(seeds=[1, 2, 5]).arrays[..., 0]
    wait(lambda: np.array_equal(shown(page, "#between"), wanted[1]))
    assert np.array_equal(shown(page, "#strip figure:nth-child(1) img"), wanted[0])
    assert "--seeds 1,2 --interpolate 16 --path spherical" in page.inner_text("#walk code")
    changes(page, lambda: page.select_option("#to", "2"), "#strip figure:last-child img")
    wait(lambda: np.array_equal(shown(page, "#between"), wanted[2]))

    page.locator("[name=part-0][value=A]").check()
    page.locator("[name=part-1][value=B]").check()
    wait(lambda: page.is_visible("#result") and "1 - 2" in page.inner_text("#sum"))
    assert page.inner_text("#formula") == "mean(A) − mean(B) ="
    assert page.locator("#around img").count() == 8
    z = models["plain"].latents(seeds=[1, 2])["z"].astype(np.float64)
    result = models["plain"].draw({"z": (z[:1] - z[1:]).astype(np.float32)}).arrays[0, ..., 0]
    assert np.abs(shown(page, "#result").astype(int) - result).max() <= 1

    page.locator("#tray button", has_text="×").first.click()
    wait(lambda: page.locator("#tray li").count() == 2)
    assert page.get_attribute(".tile >> nth=1", "aria-pressed") == "false"


def test_what_is_saved_is_what_is_seen(page, servers, models):
    visit(page, servers("plain"))
    for place in (1, 2):
        page.locator(".tile").nth(place).click()
    wait(lambda: page.locator("#tray li").count() == 2)
    content, name = saved(page, lambda: page.locator("#tray button", has_text="PNG").nth(1).click())
    wanted = models["plain"].sample(seeds=[2])
    assert name == "plain-seed2.png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), np.asarray(wanted[0]))
    content, name = saved(page, lambda: page.click("#files [data-file=png]"))
    assert (content, name) == (ask(servers("plain"), "/file/png", samples())[2], "plain-seeds0-15.png")
    content, name = saved(page, lambda: page.click("#files [data-file=npz]"))
    with np.load(io.BytesIO(content)) as arrays:
        assert np.array_equal(arrays["arr_0"], models["plain"].sample(seeds=range(16)).arrays)
    content, name = saved(page, lambda: page.click("#walk [data-file=gif]"))
    assert (name, Image.open(io.BytesIO(content)).format) == ("plain-walk.gif", "GIF")
    wait(lambda: page.locator("#between").get_attribute("src"))
    content, name = saved(page, lambda: page.click("[data-image=between]"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), shown(page, "#between"))


def test_the_address_brings_pins_back(browser, servers):
    with opened(browser) as first:
        visit(first, servers("classes"))
        first.select_option("#set-class", "7")
        wait(lambda: "--class=7" in first.inner_text("#files code"))
        for place in (0, 3):
            first.locator(".tile").nth(place).click()
        wait(lambda: first.locator("#tray li").count() == 2)
        first.locator("[name=part-1][value=C]").check()
        wait(lambda: '"role":"C"' in unquote(first.evaluate("location.hash")))
        address, pinned = (
            first.evaluate("location.href"),
            [source(first, f"#tray li:nth-child({i}) img") for i in (1, 2)],
        )
    with opened(browser) as second:
        second.goto(address)
        wait(lambda: second.locator("#tray li").count() == 2)
        assert [source(second, f"#tray li:nth-child({i}) img") for i in (1, 2)] == pinned
        assert second.inner_text("#tray li:nth-child(2) p") == "2: seed 3, class 7"
        assert second.input_value("#set-class") == "7"
        assert second.is_checked("[name=part-1][value=C]")


@pytest.mark.parametrize(
    "address", ["#%", "#[1]", '#{"seed":-3,"n":5,"pins":[1,{"seed":2,"values":{"class":99}}],"walk":7}']
)
def test_an_address_that_is_nonsense_is_left_out(page, servers, address):
    page.goto(servers("classes").url + address)
    page.wait_for_selector("#grid[data-asked]")
    assert json.loads(page.get_attribute("#grid", "data-asked"))["seed"] == 0
    assert not page.is_visible("#message")


def test_what_went_wrong_is_said_on_the_page(browser, servers):
    with opened(browser) as page:
        visit(page, servers("plain"))
        page.raw.route("**/draw", lambda route: route.fulfill(status=400, json={"error": "seed <b>7</b>: no"}))
        page.click("#next")
        page.wait_for_selector("#message:not([hidden])")
        assert page.inner_text("#message") == "seed <b>7</b>: no"
        page.raw.unroute("**/draw")
        page.click("#next")
        page.wait_for_selector("#message", state="hidden")
        page.errors.clear()  # Chromium itself writes of the 400


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_points_have_a_plot_and_no_pins(browser, servers, window):
    with opened(browser, viewport=window) as page:
        visit(page, servers("points"))
        changes(page, lambda: page.select_option("#set-branch", "1"), "#plot")
        assert not page.is_visible("#pins")
        assert not page.is_visible("#walk")
        assert not page.is_visible("#count")
        assert not page.scrolls_sideways()


def test_a_phone_does_not_scroll_sideways(browser, servers):
    with opened(browser, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        visit(page, servers("codes"))
        for place in (0, 1):
            page.locator(".tile").nth(place).tap()
        wait(lambda: page.locator("#strip img").count() == 16)
        page.locator("[name=part-0][value=A]").check()
        page.wait_for_selector("#result")
        assert not page.scrolls_sideways()


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_upload_is_shown_beside_what_is_made_of_it(browser, servers, given, tmp_path, window):
    images = noise(1)
    (tmp_path / "digit.png").write_bytes(png(images[0, ..., 0]))
    with opened(browser, viewport=window) as page:
        page.goto(servers("domains").url)
        page.wait_for_selector("#given:not([hidden])")
        assert not page.is_visible("#samples")
        assert not page.is_visible("#controls")
        page.set_input_files("#upload", tmp_path / "digit.png")
        page.wait_for_selector("#answers img")
        assert np.array_equal(shown(page, "#answers li:first-child figure:nth-child(1) img"), images[0, ..., 0])
        result = "#answers li:first-child figure:nth-child(2) img"
        model = Model(load_run(given["domains"]))
        assert np.array_equal(shown(page, result), model.apply(images, ask="ab").arrays[0, ..., 0])
        changes(page, lambda: page.select_option("#ask", "ba"), result)
        assert np.array_equal(shown(page, result), model.apply(images, ask="ba").arrays[0, ..., 0])
        assert "--ask ba --input digit.png" in page.inner_text("#given code")
        page.click("#own")
        wait(lambda: page.locator("#answers > li").count() == 16)
        assert not page.scrolls_sideways()
        page.errors.clear()
        (tmp_path / "x.txt").write_text("x")
        page.set_input_files("#upload", tmp_path / "x.txt")
        page.wait_for_selector("#message:not([hidden])")
        assert "x.txt: ba starts from .png" in page.inner_text("#message")
        page.errors.clear()  # Chromium itself writes of the 400


def test_everything_that_can_be_used_has_a_name(page, servers):
    visit(page, servers("codes"))
    for place in (0, 1):
        page.locator(".tile").nth(place).click()
    wait(lambda: page.locator("#strip img").count() == 16)
    nameless = page.evaluate("""() => [...document.querySelectorAll("button, input, select, a")]
        .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
        .map((e) => e.outerHTML)""")
    assert nameless == []
