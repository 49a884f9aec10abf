"""`dvc.yaml` names everything that a stage's result depends on: else an edit would be met with a stale cache."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.params import Params, Shop
from pipelines.releases.bento_build import modules_behind

ROOT = Path(__file__).parents[2]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# How the parameters are typed changes no result; their values are tracked one by one. Nor does where things are.
WITHOUT_EFFECT = {Path("pipelines/params.py"), Path("pipelines/settings.py")}


@pytest.mark.parametrize("stage", STAGES)
def test_stage__depends_on_every_module_that_it_imports(stage: str) -> None:
    module = Path(STAGES[stage]["cmd"].split()[-1].replace(".", "/") + ".py")
    imported = {module, *modules_behind(ROOT, [ROOT / module])} - WITHOUT_EFFECT
    named = [Path(name) for name in STAGES[stage]["deps"]]

    unnamed = [
        str(path)
        for path in sorted(imported)
        if path.name != "__init__.py" and not any(path == name or name in path.parents for name in named)
    ]

    assert unnamed == [], f"add these to the deps of {stage} in dvc.yaml"


@pytest.mark.parametrize("stage", STAGES)
def test_stage__is_named_like_its_module_and_its_parameters(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -m pipelines.stages.{stage}"
    known = {*Params.model_fields, *(f"shop.{field}" for field in Shop.model_fields)}
    assert set(STAGES[stage]["params"]) <= known
