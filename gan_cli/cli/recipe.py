"""`gan recipe`: list, show, check and describe recipes."""

from typing import Annotated

import typer

from gan_cli.cli.options import DataDir, Json, Recipe, Set, notice, result, start_jax, store

app = typer.Typer(help="List, show, check and describe recipes.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the shipped recipes, each with the first line of its header."""
    from gan_cli import recipe

    found = {name: recipe.header(recipe.find_recipe(name)).partition("\n")[0] for name in recipe.shipped()}
    width = max(map(len, found), default=0)
    result({"recipes": found}, "\n".join(f"{name:{width}}  {line}" for name, line in found.items()), as_json)


@app.command()
def show(
    name: Recipe,
    set_: Set = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="With every default filled in.")] = False,
    as_json: Json = False,
) -> None:
    """Print a recipe as written, or with every default filled in."""
    import tomli_w

    from gan_cli import recipe, slips, streams

    path = recipe.find_recipe(name)
    tables = recipe.read_tables(path)
    if set_:
        from gan_cli import overrides

        tables = overrides.read_overridden(path, set_, notice)
    if resolved:
        from gan_cli import build

        tables = build.resolve(tables, str(path))
    plain = "\n".join(slips.decoded(recipe.content(path), str(path)).splitlines()).rstrip()
    streams.as_file()
    result(tables, tomli_w.dumps(tables).rstrip() if resolved or set_ else plain, as_json)


@app.command("check")
def check_recipe(
    name: Recipe,
    set_: Set = None,
    data: Annotated[
        bool | None,
        typer.Option(
            "--data/--no-data",
            help="Load its data, and build its networks for them.",
            show_default="if the data are here",
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Check a recipe's tables, names, types and ranges; and its parts against its data, where these are here."""
    from dataclasses import replace

    from gan_cli import build, datasets, overrides
    from gan_cli import recipe as recipes
    from gan_cli.errors import InputError

    path = recipes.find_recipe(name)
    resolved = build.resolve(overrides.read_overridden(path, set_ or (), notice), str(path))
    if data is not False:
        start_jax()
        sources = store(data_dir).near(path)
        try:
            data_at_hand = datasets.load_streams(resolved, sources if data else replace(sources, download=False))
        except InputError as error:
            if data:
                raise
            notice(f"{error}\nso the recipe's parts were not checked against its data")
        else:
            build.fit(resolved, data_at_hand, str(path), notice)
    result({"recipe": str(path), "valid": True}, f"{path}: valid", as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for completion in editors."""
    import json

    from gan_cli import build

    print(json.dumps(build.recipe_schema(), indent=1))
