"""Limits of campaigns as params.yaml states them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.params import Params, ParamsError, load_params

ROOT = Path(__file__).parents[2]


def params_with(folder: Path, **promotions: Any) -> Params:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["promotions"] |= promotions
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return load_params(folder / "params.yaml")


def test_limits__of_a_campaign_replace_those_that_it_states(tmp_path: Path) -> None:
    own = {"18": {"showings": None, "budget_redemptions": 500}}
    found = params_with(tmp_path, showings=4, showings_days=2, campaigns=own).promotions.limits()
    everybody = {"showings": 4, "showings_days": 2, "budget_showings": None, "budget_redemptions": None}
    assert found == {"": everybody, "18": everybody | {"showings": None, "budget_redemptions": 500}}


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"showings": 0}, "promotions.showings"),
        ({"showings_days": 0}, "promotions.showings_days"),
        ({"budget_showings": -1}, "promotions.budget_showings"),
        ({"penalty": 0}, "promotions.penalty"),
        ({"campaigns": {"18": {"budget": 5}}}, "promotions.campaigns.18.budget"),
        ({"campaigns": {"18": {"showings": "often"}}}, "promotions.campaigns.18.showings"),
        ({"campaigns": {18: {}}}, "promotions.campaigns.18"),
    ],
)
def test_limits__that_are_none_are_refused_by_name(
    tmp_path: Path, broken: dict[str, Any], named: str
) -> None:
    with pytest.raises(ParamsError, match=named):
        params_with(tmp_path, **broken)
