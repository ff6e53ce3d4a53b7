"""What FiftyOne's zoo lists, made of the recipes: `python -m operators.zoo_manifest` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from premask.recipes.recipe import Recipe, built_in_recipes

MANIFEST = Path(__file__).parent / "zoo" / "manifest.json"


def manifest() -> dict[str, Any]:
    """List the recipes as models of one zoo source.

    FiftyOne imports the copied folder under the source's name, so this must not be `premask`.
    """
    models = [_model(recipe) for recipe in built_in_recipes().values()]
    return {"name": "premask_zoo", "models": models}


def text() -> str:
    return json.dumps(manifest(), indent=2, ensure_ascii=False) + "\n"


def _model(recipe: Recipe) -> dict[str, Any]:
    return {
        "base_name": f"premask/{recipe.name}",
        "base_filename": f"{recipe.name}.txt",
        "description": f"{recipe.help}. Models: {', '.join(recipe.models)}",
        "license": ",".join(dict.fromkeys(checkpoint.license for checkpoint in recipe.checkpoints)),
        "tags": ["premask", "detection", "instances"],
        "requirements": {"cpu": {"support": True}, "gpu": {"support": True}},
    }


if __name__ == "__main__":
    MANIFEST.write_text(text(), encoding="utf-8")
