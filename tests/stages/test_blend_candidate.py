"""What the blend is made of is chosen in ``params.yaml``; what is not chosen is still judged."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml

from pipelines.params import ParamsError, Part, load_params
from pipelines.ranking.components import COMPONENTS, PLAIN, SEQUENCE, Component
from pipelines.ranking.fitting.weights import CandidateSets
from pipelines.stages.blend_candidate import weigh

CHOSEN = [Component("markov", "share"), Component("als", "share"), SEQUENCE]


def candidates(shoppers: int = 40, items: int = 30) -> CandidateSets:
    """Bought is what `als` and `sequence` say together; `markov` says nothing of it."""
    draw = np.random.default_rng(7)
    values = draw.random((shoppers, items, len(CHOSEN)))
    strength = values[:, :, 1] + values[:, :, 2]
    label = (strength >= np.sort(strength, axis=1)[:, [-3]]).astype(np.float64)
    return CandidateSets(values, label, np.ones((shoppers, items), bool))


def test_weigh__lists_all_components_and_weighs_the_chosen_ones() -> None:
    blends = weigh(candidates(), CHOSEN, 1e-4, worth=0.001)

    whole = dict(blends["blend"])
    assert list(whole) == list(COMPONENTS)
    assert whole[CHOSEN[1]] > 0
    assert whole[SEQUENCE] > 0
    assert {part for part, weight in whole.items() if weight > 0} <= set(CHOSEN)


def test_weigh__gives_the_blend_without_its_neural_part_weights_of_its_own() -> None:
    blends = weigh(candidates(), CHOSEN, 1e-4, worth=0.001)

    ablation = dict(blends["blend_without_sequence"])
    assert list(ablation) == list(PLAIN)
    assert max(ablation, key=lambda part: ablation[part]) == CHOSEN[1]
    assert {part for part, weight in ablation.items() if weight > 0} <= set(CHOSEN[:2])


def test_weigh__asks_a_costly_system_only_where_it_adds_enough(capsys: pytest.CaptureFixture[str]) -> None:
    blends = weigh(candidates(), CHOSEN, 1e-4, worth=1.0)

    assert dict(blends["blend"])[CHOSEN[1]] == 0.0
    assert dict(blends["blend"])[SEQUENCE] > 0
    assert dict(blends["blend_without_sequence"])[CHOSEN[1]] > 0, "what the blend is compared with may ask it"
    assert "als adds 0." in capsys.readouterr().out


def test_parts__are_those_that_a_blend_knows_and_all_by_default() -> None:
    assert list(get_args(Part)) == list(dict.fromkeys(component.system for component in COMPONENTS))
    assert load_params().blend_candidate.parts == get_args(Part)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (["popularity", "markov"], "expected sequence and at least one part more"),
        (["sequence"], "expected sequence and at least one part more"),
        (["sequence", "als", "als"], "expected each part once, found sequence, als, als"),
        (["sequence", "gru"], "blend_candidate.parts.1"),
    ],
)
def test_parts__that_the_gate_cannot_judge_are_refused(parts: list[str], says: str, tmp_path: Path) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["blend_candidate"]["parts"] = parts
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    with pytest.raises(ParamsError, match=says):
        load_params(path)
