"""Recipes are data: they travel through JSON and refuse to contradict themselves."""

import json
from pathlib import Path

import pytest

from keras_kd.export import RECIPES, Recipe
from keras_kd.export.recipes import get_recipe

DESK = Path(__file__).parents[2] / "export" / "recipes"


def test_the_desk_has_exactly_the_built_in_recipes():
    at_the_desk = {path.stem: Recipe.from_json(path) for path in DESK.glob("*.json")}
    assert at_the_desk == RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_json_brings_a_recipe_back(name, tmp_path):
    RECIPES[name].to_json(tmp_path / "r.json")
    assert get_recipe(tmp_path / "r.json") == RECIPES[name]
    assert get_recipe(str(tmp_path / "r.json")) == RECIPES[name]
    assert get_recipe(RECIPES[name]) is RECIPES[name]


def test_an_unknown_name_is_answered_with_the_choices():
    with pytest.raises(ValueError, match=r"`recipe` must be one of.*mean 'float16'"):
        get_recipe("floatl6")


def test_io_is_one_of_the_recipes():
    assert RECIPES["int8"].choose_io(None) == "int8"
    assert RECIPES["int8"].choose_io("uint8") == "uint8"
    with pytest.raises(ValueError, match=r"`io` must be one of \['float32'\]"):
        RECIPES["float16"].choose_io("int8")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "`name` must be a non-empty string"),
        ({"name": "x", "weights": "int9"}, "`weights` must be one of"),
        ({"name": "x", "activations": "int8"}, "needs weights='int8'"),
        ({"name": "x", "io": ["int8"]}, r"has io=\('float32',\) only"),
        ({"name": "x", "io": "int8"}, "`io` must be a tuple"),
        ({"name": "x", "activations": "int16"}, "needs weights='int8'"),
        (
            {"name": "x", "weights": "int8", "activations": "int16", "io": ["uint8"]},
            r"has io=\('int16', 'float32'\). Received: io=\('uint8',\)",
        ),
        ({"name": "x", "weights": "int4"}, "needs weight_only=True"),
        ({"name": "x", "weight_only": True}, "needs weights='int8' or 'int4'"),
        ({"name": "x", "weight_only": 1}, "`weight_only` must be true or false"),
        ({"name": "x", "weight": "int8"}, "Did you mean 'weights'"),
        ({"weights": "int8"}, "needs a 'name'"),
        ([1], "one JSON object"),
    ],
)
def test_a_wrong_recipe_file_is_refused(fields, sentence, tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=sentence):
        Recipe.from_json(tmp_path / "r.json")


def test_text_that_is_not_json_is_refused(tmp_path):
    (tmp_path / "r.json").write_text("recipe: int8")
    with pytest.raises(ValueError, match="is not a JSON file"):
        Recipe.from_json(tmp_path / "r.json")
