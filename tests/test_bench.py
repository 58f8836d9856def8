"""The benchmark's harness, with contenders that cost nothing."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli import recipe

BENCH = Path(__file__).parent.parent / "scripts" / "bench"
WORKER = f"""
import sys, time
sys.path.insert(0, {str(BENCH)!r})
from worker import serve
print("a library's chatter")
serve(lambda n: time.sleep(n * float(sys.argv[1])), first_call=0.25, gpu_memory=3.0)
"""


@pytest.fixture
def bench(monkeypatch):
    """The benchmark's modules, which are scripts and no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    names = ("processes", "harness", "cases", "starts", "gpu", "bench")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)


def sleeper(bench, name, seconds, **how):
    return bench["processes"].Contender(name, (sys.executable, "-c", WORKER, str(seconds)), **how)


def case(bench, *contenders, **how):
    return bench["harness"].Case("nap", "training", "sleeping", "nap", contenders, **how)


def test_rows_of_a_case_are_medians_for_one_unit_and_ratios(bench):
    naps = case(
        bench,
        sleeper(bench, "gan", 0.001, role="ours"),
        sleeper(bench, "slow", 0.004),
        sleeper(bench, "slower", 0.008),
        sleeper(bench, "least", 0.0005, role="floor"),
        amount=10,
        scale=1e3,
    )
    ours, slow, slower, least = bench["harness"].measure(naps, rounds=3, quick=False)
    assert [len(row["rounds"]) for row in (ours, slow, slower, least)] == [3] * 4
    assert 1 <= ours["min"] <= ours["median"] <= ours["max"]
    assert slow["median"] >= 4
    assert slow["best_peer_over_this"] == {"medians": 1, "min": 1, "max": 1}
    pairs = [theirs / mine for theirs, mine in zip(slow["rounds"], ours["rounds"], strict=True)]
    medians = slow["median"] / ours["median"]
    assert ours["best_peer_over_this"] == {"medians": medians, "min": min(pairs), "max": max(pairs)}
    assert ours["this_over_floor"]["medians"] == ours["median"] / least["median"]
    assert ours["memory"] > 1


def test_quick_takes_the_quick_amount(bench):
    naps = case(bench, sleeper(bench, "gan", 0.02, role="ours"), amount=100, quick=1, divide=False)
    (row,) = bench["harness"].measure(naps, rounds=1, quick=True)
    assert 0.02 <= row["median"] < 1
    assert row["best_peer_over_this"] is None
    assert row["this_over_floor"] is None


def test_processor_time_is_told_from_that_of_others(bench):
    command = (sys.executable, "-c", WORKER.replace("time.sleep(n * float(sys.argv[1]))", "sum(range(n))"))
    busy = case(bench, bench["processes"].Contender("gan", command), amount=10**7, divide=False)
    anew = case(bench, bench["processes"].Contender("anew", (sys.executable, "-c", "sum(range(10**7))"), clock="exit"))
    for one in (busy, anew):
        (row,) = bench["harness"].measure(one, rounds=1, quick=False)
        assert row["processor"] > 0
        assert row["others"] >= 0


def test_a_peer_that_does_not_start_is_noted_and_the_others_are_measured(bench):
    lost = []
    broken = bench["processes"].Contender("broken", (sys.executable, "-c", "raise SystemExit('no luck')"))
    naps = case(bench, sleeper(bench, "gan", 0, role="ours"), broken)
    (row,) = bench["harness"].measure(naps, rounds=1, quick=False, lost=lost)
    assert row["who"] == "gan"
    assert "no luck" in lost[0]
    with pytest.raises(bench["processes"].FailedError, match="no luck"):
        bench["harness"].measure(case(bench, broken._replace(role="ours")), rounds=1, quick=False, lost=lost)


def test_a_further_interpreter_takes_part_in_what_is_ours(bench):
    naps = case(bench, sleeper(bench, "gan", 0, role="ours"), sleeper(bench, "PyTorch", 0))
    both = bench["bench"].by_pythons(naps, {"JAX 0.12": "other"}).contenders
    assert [one.name for one in both] == ["gan", "PyTorch", "gan, JAX 0.12"]
    assert both[-1].command == ("other", *naps.contenders[0].command[1:])


def test_first_call_comes_from_what_a_contender_says(bench):
    (row,) = bench["harness"].measure(case(bench, sleeper(bench, "gan", 0, clock="first_call")), rounds=2, quick=False)
    assert row["rounds"] == [0.25, 0.25]


def test_a_file_ends_a_start_and_warm_caches_are_kept(bench):
    script = (
        "import os, pathlib, sys, time\n"
        "cache = pathlib.Path(os.environ['GAN_CACHE_DIR'])\n"
        "time.sleep(0 if cache.exists() and any(cache.iterdir()) else 0.3)\n"
        "cache.mkdir(exist_ok=True); (cache / 'kept').touch()\n"
        "pathlib.Path(sys.argv[1]).write_text('first step')\n"
        "time.sleep(0.3)\n"
    )
    command = (sys.executable, "-c", script, "{new}/mark")
    timed = {"clock": "file", "mark": "{new}/mark"}
    contenders = [bench["processes"].Contender(cache, command, cache=cache, **timed) for cache in ("cold", "warm")]
    cold, warm = bench["harness"].measure(case(bench, *contenders), rounds=2, quick=False)
    assert cold["min"] >= 0.3
    assert warm["min"] < cold["min"]


def test_a_contender_that_fails_says_why(bench):
    contender = bench["processes"].Contender("broken", (sys.executable, "-c", "raise SystemExit('no luck')"))
    with pytest.raises(bench["processes"].FailedError, match=r"broken(.|\n)*no luck"):
        bench["harness"].measure(case(bench, contender), rounds=1, quick=False)
    with pytest.raises(bench["processes"].FailedError, match="no luck"):
        bench["harness"].measure(case(bench, contender._replace(clock="exit")), rounds=1, quick=False)


def test_a_case_can_fill_a_folder_first(bench):
    fill = (
        (sys.executable, "-c", "import sys; open(sys.argv[1] + '/n', 'w').write(sys.argv[2])", "{scratch}", "{n}"),
        20,
        2,
    )
    look = "import sys; sys.exit(open(sys.argv[1] + '/n').read() != '2')"
    contender = bench["processes"].Contender("gan", (sys.executable, "-c", look, "{scratch}"), clock="exit")
    assert bench["harness"].measure(case(bench, contender, fill=fill), rounds=1, quick=True)


def test_a_table_has_only_columns_that_say_something(bench):
    rows = bench["harness"].measure(case(bench, sleeper(bench, "gan", 0, role="ours")), rounds=1, quick=True)
    head, line, body = bench["harness"].table(rows).splitlines()
    wanted = "case | who | time of | median (min to max) | processor time | others' cores | peak MiB | GPU MiB"
    assert head == f"| {wanted} |"
    assert line.count("---") == 8
    assert body.startswith("| nap | gan | nap |")
    assert body.endswith("| 3.00 |")


def every_case(bench):
    makers = (bench["cases"].cases, bench["starts"].start_cases, bench["gpu"].gpu_cases)
    return [one for make in makers for one in make("python-with-torch")]


def test_steps_are_whole_calls_of_ours(bench):
    for one in every_case(bench):
        for command in (c.command for c in one.contenders if c.clock == "work" and "ours_training.py" in c.command[1]):
            overrides = [part.removeprefix("--set=") for part in command if part.startswith("--set=")]
            tables = recipe.read_tables(recipe.find_recipe(command[command.index("--recipe") + 1]), overrides)
            per_call = tables["train"].get("steps_per_call", 10)
            assert (one.amount % per_call, one.quick % per_call) == (0, 0), one.name


def test_every_case_has_a_table_a_name_of_its_own_and_scripts_that_exist(bench):
    found = every_case(bench)
    assert len({one.name for one in found}) == len(found)
    assert {one.kind for one in found} == set(bench["cases"].KINDS)
    scripts = {part for one in found for c in one.contenders for part in c.command if part.endswith(".py")}
    assert all(Path(script).is_file() for script in scripts)


def test_gpu_cases_say_why_they_are_skipped(bench, tmp_path):
    assert "no NVIDIA GPU" in bench["gpu"].why_not("python-with-torch", devices=tmp_path)


def test_the_command_writes_both_files_and_reports_failures(bench, tmp_path, monkeypatch, capsys):
    naps = case(bench, sleeper(bench, "gan", 0, role="ours"))
    broken = naps._replace(name="broken", contenders=(naps.contenders[0]._replace(command=("false",)),))
    gpu = naps._replace(name="gpu-nap", kind="gpu")
    monkeypatch.setattr(bench["bench"], "cases", lambda torch: [naps, broken])
    monkeypatch.setattr(bench["bench"], "start_cases", lambda torch: [])
    monkeypatch.setattr(bench["bench"], "gpu_cases", lambda torch: [gpu])
    monkeypatch.setattr(bench["bench"], "tcmalloc", lambda: "libtcmalloc.so")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(bench["bench"], "why_not", lambda torch: "no card")
    out = tmp_path / "build" / "bench.json"
    monkeypatch.setattr(sys, "argv", ["bench.py", "--quick", "--torch", sys.executable, "--out", str(out)])
    with pytest.raises(SystemExit, match="1"):
        bench["bench"].main()
    written = json.loads(out.read_text())
    assert [row["case"] for row in written["rows"]] == ["nap"]
    assert written["skipped"] == ["gpu-nap was skipped: no card"]
    assert len(written["failed"]) == 1
    assert out.with_suffix(".md").read_text() in capsys.readouterr().out


def test_help_names_every_option():
    said = subprocess.run(
        [sys.executable, str(BENCH / "bench.py"), "--help"], capture_output=True, text=True, check=True
    )
    assert all(
        option in said.stdout for option in ("--case", "--list", "--quick", "--rounds", "--out", "--torch", "--python")
    )
