"""`premask recipes`: what there is, and every setting of one."""

from __future__ import annotations

import argparse

from premask.recipes.recipe import built_in_recipes, clip_recipes, recipe_of
from premask.terminal.flags import Commands
from premask.terminal.screen import table


def add_command(commands: Commands) -> None:
    """Describe the command's flags."""
    recipes = commands.add_parser("recipes", help="list recipes, or show all settings of one")
    recipes.set_defaults(command=_list)
    show = recipes.add_subparsers(metavar="show NAME").add_parser("show")
    show.add_argument("name")
    show.set_defaults(command=_show)


def _list(options: argparse.Namespace) -> int:
    rows = (
        (recipe.name, ", ".join(recipe.models), recipe.help)
        for recipe in (*built_in_recipes().values(), *clip_recipes().values())
    )
    print(table(rows, ("recipe", "models", "what it does")))
    return 0


def _show(options: argparse.Namespace) -> int:
    recipe = recipe_of(options.name)
    rows = (
        (path, "off" if item.default is None else str(item.default), item.expects, item.help)
        for path, item in recipe.settings().items()
    )
    print(f"{recipe}\n\n{table(rows, ('setting', 'value', 'must be', 'what it does'))}")
    return 0
