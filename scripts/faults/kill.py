"""`make faults`, first part: training runs that are killed, stopped, paused and given a jumping clock.

Every life of a run is a process of its own, started with the same command. What is left at the end is compared with an
uninterrupted run: checkpoints' arrays, logs and pictures, to the last bit.
"""

import argparse
import random
import re
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fork
import games
from compare import differences, unreadable
from life import TRAINING, Blow, End, Run, begin, environment, named, reach, strike, until, whole
from table import Row, report

STOPPED = 75  # exit code of `gan train`: stopped by a signal after saving
FIRST = 5  # kills before a run has its first checkpoint
SHARES = {"train": 0.3, "write": 0.35, "named": 0.1, "line": 0.1, "start": 0.05, "twice": 0.1}
FAULTS = {
    "first": "SIGKILL before the first checkpoint, programs not yet compiled",
    "train": "SIGKILL while training",
    "write": "SIGKILL while a checkpoint is written",
    "named": "SIGKILL as a checkpoint gets its name and an older one goes",
    "line": "SIGKILL as a log grows",
    "start": "SIGKILL while starting again",
    "twice": "SIGKILL twice, the second time while restoring",
}


class Kill(NamedTuple):
    """One blow, and what was wrong after it."""

    fault: str
    torn: bool  # a checkpoint was left half written
    problems: tuple[str, ...]


class Bench(NamedTuple):
    """Where a game is broken, and what it is compared with."""

    game: str
    recipe: Path
    scratch: Path
    whole: Path  # the uninterrupted run
    startup: float  # seconds until a warm process trains
    context: Any = None  # of fork.server

    def run(self, name: str) -> Run:
        """A new run folder."""
        folder = self.scratch / f"{self.game}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        return Run(self.recipe, folder, context=self.context)


def prepare(game: str, scratch: Path, context: Any = None) -> Bench:
    """Train the game undisturbed, and find out how long a start takes."""
    recipe, env = games.write(game, scratch), cache(scratch / "cache")
    run = Run(recipe, scratch / f"{game}-whole", context=context)
    must(whole(run, env), 0)
    again = run._replace(folder=scratch / f"{game}-timed")
    began = time.monotonic()
    process = begin(again, env)
    until(process, lambda: TRAINING in again.said.read_text(errors="replace"))
    startup = time.monotonic() - began
    process.kill()
    process.wait()
    return Bench(game, recipe, scratch, run.folder, startup, context)


def cache(folder: Path) -> dict[str, str]:
    """The environment of a process that keeps its compiled programs in `folder`."""
    return environment(GAN_CACHE_DIR=str(folder))


def must(end: End, *codes: int) -> None:
    """Raise when a process ended otherwise than it should."""
    if end.code not in codes:
        raise SystemExit(f"ended with {end.code} instead of {codes}:\n{end.said}")


def choose(rng: random.Random, bench: Bench, fault: str) -> list[Blow]:
    """The blows of a fault, each to a process of its own; waits in seconds."""
    blows = {
        "first": lambda: [Blow("start", rng.uniform(0.2, 1.5) * bench.startup)],
        "train": lambda: [Blow("train", rng.expovariate(1 / 1.5))],
        "write": lambda: [Blow("write", rng.uniform(0, 0.15))],
        "named": lambda: [Blow("named", rng.uniform(0, 0.02))],
        "line": lambda: [Blow("line", rng.uniform(0, 0.01))],
        "start": lambda: [Blow("start", rng.uniform(0, 1.2) * bench.startup)],
        "twice": lambda: [Blow("write", rng.uniform(0, 0.15)), Blow("resume", rng.expovariate(1 / 0.1))],
    }
    return blows[fault]()


def kill(bench: Bench, tries: int, rng: random.Random, note: Callable[[str], None]) -> list[Kill]:
    """Runs killed again and again until they end; as many runs as `tries` blows take."""
    made: list[Kill] = []
    runs = 0
    while len(made) < tries:
        run, runs = bench.run(f"killed-{runs}"), runs + 1
        made += kill_run(bench, run, tries - len(made), rng, note)
    return made


def kill_run(bench: Bench, run: Run, most: int, rng: random.Random, note: Callable[[str], None]) -> list[Kill]:
    """One run, killed up to `most` times, then left to end; its own compilation cache is cold at the start."""
    env = cache(run.folder.with_suffix(".cache"))
    made: list[Kill] = []
    code = -signal.SIGKILL
    while code and len(made) < most:
        fault = _next_fault(rng, len(made), run)
        for blow in choose(rng, bench, fault):
            newest = max(map(int, named(run)), default=0)
            end = strike(run, blow, signal.SIGKILL, env)
            code = end.code
            must(end, 0, -signal.SIGKILL)
            if end.struck:
                made.append(Kill(fault, end.torn, (*_went_back(end, newest), *unreadable(run.folder))))
                note(f"{run.folder.name}: {len(made)} {fault}, at {max(map(int, named(run)), default=0)}")
    newest = max(map(int, named(run)), default=0)
    end = whole(run, env)
    must(end, 0)
    last = (*_went_back(end, newest), *differences(run.folder, bench.whole))
    note(f"{run.folder.name}: ended; {len(last)} differences")
    return [one._replace(problems=(*one.problems, *last)) for one in made]


def _next_fault(rng: random.Random, made: int, run: Run) -> str:
    if made < FIRST and not named(run):
        return "first"
    return rng.choices(list(SHARES), list(SHARES.values()))[0]


def _went_back(end: End, newest: int) -> list[str]:
    """What is wrong when a process did not go on from the newest checkpoint that was there."""
    found = re.search(r"resumed .* at step (\d+)", end.said)
    if found and int(found[1]) != newest:
        return [f"resumed at step {found[1]} instead of {newest}"]
    begun = re.search(rf"{TRAINING} (\d+)", end.said)
    return [f"began anew, with {newest} at hand"] if begun and newest and not found else []


def kill_rows(bench: Bench, kills: list[Kill]) -> list[Row]:
    """A row for each fault that was tried."""
    rows = []
    for fault, words in FAULTS.items():
        mine = [one for one in kills if one.fault == fault]
        torn = sum(one.torn for one in mine)
        problems = tuple(dict.fromkeys(problem for one in mine for problem in one.problems))
        remark = f"{torn} left a checkpoint half written" if torn else ""
        if mine:
            fine = sum(not one.problems for one in mine)
            rows.append(Row(f"{bench.game}: {words}", len(mine), fine, problems[:5], remark))
    return rows


def stop(bench: Bench, tries: int, rng: random.Random, note: Callable[[str], None]) -> list[Row]:
    """Runs stopped by SIGTERM and SIGINT in turn: exit code 75, saved, and the same end."""
    rows, runs = [], 0
    made: list[tuple[signal.Signals, float, tuple[str, ...]]] = []
    while len(made) < tries:
        run, runs = bench.run(f"stopped-{runs}"), runs + 1
        made += stop_run(bench, run, tries - len(made), rng, note)
    for number in (signal.SIGTERM, signal.SIGINT):
        mine = [(seconds, problems) for one, seconds, problems in made if one == number]
        fine = sum(not problems for _, problems in mine)
        lost = tuple(dict.fromkeys(problem for _, problems in mine for problem in problems))
        times = [seconds for seconds, _ in mine]
        remark = f"{statistics.median(times):.1f} s from the signal to the end, at most {max(times):.1f} s"
        rows.append(Row(f"{bench.game}: {number.name} while training", len(mine), fine, lost[:5], remark))
    return rows


def stop_run(
    bench: Bench, run: Run, most: int, rng: random.Random, note: Callable[[str], None]
) -> list[tuple[signal.Signals, float, tuple[str, ...]]]:
    """One run, stopped up to `most` times, then left to end."""
    env = cache(bench.scratch / "cache")
    made: list[tuple[signal.Signals, float, tuple[str, ...]]] = []
    stops: list[int] = []
    while len(made) < most:
        number = (signal.SIGTERM, signal.SIGINT)[len(made) % 2]
        end = strike(run, choose(rng, bench, rng.choice(("train", "write")))[0], number, env)
        if not end.struck or end.code == 0:  # it was at its end already
            must(end, 0)
            break
        problems = [] if end.code == STOPPED else [f"exit code {end.code}"]
        at = re.search(rf"stopped by {number.name} at step (\d+)", end.said)
        stops += [int(at[1])] if at else []
        if not at or at[1] not in named(run):
            problems.append(f"nothing saved: {end.said[-200:]}")
        made.append((number, end.seconds, tuple(problems)))
        note(f"{run.folder.name}: {len(made)} {number.name}, at {stops[-1:]}, {end.seconds:.2f} s")
    end = whole(run, env)
    must(end, 0)
    last = differences(run.folder, bench.whole, stops)
    note(f"{run.folder.name}: ended; {len(last)} differences")
    return [(number, seconds, (*problems, *last)) for number, seconds, problems in made]


def early(bench: Bench, tries: int, rng: random.Random, note: Callable[[str], None]) -> Row:
    """A run stopped by SIGTERM while it starts: it may end at once, and the next one goes on all the same."""
    run, env = bench.run("early"), cache(bench.scratch / "cache")
    problems: list[str] = []
    codes: list[int] = []
    stops: list[int] = []
    for _ in range(tries):
        end = strike(run, Blow("start", rng.uniform(0, 1.1) * bench.startup), signal.SIGTERM, env)
        codes.append(end.code)
        stops += map(int, re.findall(r"stopped by SIGTERM at step (\d+)", end.said))
        problems += [] if end.code in (STOPPED, -signal.SIGTERM) else [f"exit code {end.code}"]
        problems += ["a traceback"] if "Traceback" in end.said else []
        note(f"{run.folder.name}: SIGTERM, {end.code}")
    must(whole(run, env), 0)
    problems += differences(run.folder, bench.whole, stops)
    remark = f"exit codes {', '.join(map(str, sorted(set(codes))))}"
    survived = 0 if problems else tries
    return Row(f"{bench.game}: SIGTERM while starting", tries, survived, tuple(problems[:5]), remark)


def pause(bench: Bench, tries: int, rng: random.Random, note: Callable[[str], None]) -> Row:
    """A run paused by SIGSTOP for up to two seconds, again and again, for as long as it lives."""
    run = bench.run("paused")
    process = begin(run, cache(bench.scratch / "cache"))
    made, paused = 0, 0.0
    reach(run, process, "train")
    while made < tries and process.poll() is None:
        seconds = rng.uniform(0.1, 2)
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        time.sleep(rng.expovariate(1 / 0.5))
        made, paused = made + 1, paused + seconds
    problems = [] if process.wait() == 0 else [f"exit code {process.returncode}"]
    problems += differences(run.folder, bench.whole)
    note(f"{run.folder.name}: {made} pauses")
    survived = 0 if problems else made
    return Row(f"{bench.game}: SIGSTOP, SIGCONT", made, survived, tuple(problems[:5]), f"{paused:.0f} s of pauses")


def jump(bench: Bench, tries: int, note: Callable[[str], None]) -> Row:
    """Runs whose clock of the day jumps back and forth by hours whenever Python looks at it."""
    lost: list[str] = []
    survived = 0
    looks = bench.scratch / "looks"
    path = f"{Path(__file__).parent / 'clock'}:{environment().get('PYTHONPATH', '')}"
    for i in range(tries):
        run = bench.run(f"clock-{i}")._replace(context=None)  # it is Python's start that sets the clock
        end = whole(run, {**cache(bench.scratch / "cache"), "PYTHONPATH": path, "FAULTS_CLOCK": str(looks)})
        problems = [] if end.code == 0 else [f"exit code {end.code}: {end.said[-300:]}"]
        problems = problems or differences(run.folder, bench.whole)
        lost += problems
        survived += not problems
        note(f"{run.folder.name}: {len(problems)} differences")
    seen = sum(map(int, looks.read_text().split()))
    remark = f"{seen:,} looks at it, up to 12 hours off"
    return Row(f"{bench.game}: a clock that jumps at every look", tries, survived, tuple(lost[:5]), remark)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--game", action="append", choices=list(games.GAMES), help="repeatable; all if absent")
    parser.add_argument("--kills", type=int, default=50, help="SIGKILLs for each game")
    parser.add_argument("--stops", type=int, default=20, help="SIGTERMs and SIGINTs for each game")
    parser.add_argument("--pauses", type=int, default=20, help="SIGSTOPs for each game; 0: none")
    parser.add_argument("--clocks", type=int, default=2, help="runs with a jumping clock for each game; 0: none")
    parser.add_argument("--early", type=int, default=6, help="SIGTERMs while starting, for each game; 0: none")
    parser.add_argument("--forked", action="store_true", help="processes that need not import: quicker, more kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="kept; a temporary folder if absent")
    parser.add_argument("--out", type=Path, default=Path("build/faults/kill"), help="without a suffix")
    a = parser.parse_args()

    began = time.monotonic()
    rng, rows = random.Random(a.seed), []

    def note(message: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {message}", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        scratch = a.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        context = fork.server(environment()) if a.forked else None
        for game in a.game or games.GAMES:
            bench = prepare(game, scratch, context)
            note(f"{game}: uninterrupted run made; a start takes {bench.startup:.1f} s")
            rows += kill_rows(bench, kill(bench, a.kills, rng, note)) if a.kills else []
            rows += stop(bench, a.stops, rng, note) if a.stops else []
            rows += [early(bench, a.early, rng, note)] if a.early else []
            rows += [pause(bench, a.pauses, rng, note)] if a.pauses else []
            rows += [jump(bench, a.clocks, note)] if a.clocks else []
        code = report(rows, a.out, seed=a.seed, minutes=(time.monotonic() - began) / 60)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
