"""Recipes that stand for all others: each game, network, penalty and optimiser is in one of them, and so is each word.

Numbers have tests of their own, beside each game and network: only the words and switches among the options count, and
of words not those that say what a network computes number by number or starts from.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from gan_cli import recipe
from gan_cli.binding import Table

PLAIN = ("net", "activation", "output", "init")


def kinds(tables: Table) -> Iterator[tuple[str, ...]]:
    """Each part that a recipe names, and each word and switch among the options of its networks and of its training.

    Those of games and penalties are tested beside them.
    """
    game, train = tables["game"], tables.get("train", {})
    parts = [*tables["networks"].values(), *tables["optimisers"].values(), *game.get("penalties", ()), game]
    for part in parts:
        yield (part,) if isinstance(part, str) else (next(part[key] for key in ("net", "play", "name") if key in part),)
    if "loss" in game:
        yield "loss", _family(game["loss"])
    for part in [*tables["networks"].values(), train]:
        for key, value in part.items():
            word = _word(value)
            if part is train or (key not in PLAIN and word not in ("number", "list")):
                yield key, word


def _family(loss: Any) -> str:
    """adversarial or divergences: the losses of one have the same form, and tests of their own."""
    return (loss["name"] if isinstance(loss, dict) else loss).partition(".")[0]


def _word(value: Any) -> str:
    if isinstance(value, (str, bool)):
        return str(value)
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def representatives(names: Iterable[str]) -> list[str]:
    """As few of these recipes as show every kind, or nearly: the next is always the one with the most that is new."""
    left = {name: set(kinds(recipe.read_tables(recipe.find_recipe(name)))) for name in names}
    sizes = {name: len(found) for name, found in left.items()}  # of recipes that show as much, the one with fewer parts
    chosen: list[str] = []
    while left:
        name = max(left, key=lambda name: (len(left[name]), -sizes[name]))
        shown = left.pop(name)
        chosen.append(name)
        left = {other: rest for other, found in left.items() if (rest := found - shown)}
    return chosen
