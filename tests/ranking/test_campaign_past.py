"""Campaigns as they began: nothing of later is in what is learned."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.domain import History
from pipelines.ranking.fitting.campaigns import CampaignPast, Learning, told_promotions
from pipelines.ranking.responses import FEATURES
from pipelines.ranking.running_campaigns import RunningCampaigns
from tests.features.tiny_shop import AT, WEEK, WEEK_US, Row, bought, promoted, redeemed, write_shop

EVENTS = [
    *(bought(user, f"{user}-{weeks}", "milk", weeks) for user in "abcd" for weeks in (30, 12)),
    redeemed("a", "old", "k", 18),
    redeemed("b", "late", "k", 9),
]
PROMOTIONS = [
    promoted("milk", 20, 15, "old"),
    promoted("eggs", 10, 4, "late"),
    promoted("milk", 10, 4, "late"),
    promoted("bread", 1, -3, "now"),
]


def past(folder: Path, *events: Row, promotions: tuple[Row, ...] = ()) -> CampaignPast:
    shop = write_shop(folder, [*EVENTS, *events], [*PROMOTIONS, *promotions])
    return CampaignPast(shop.events, shop.items, shop.promotions, AT, WEEK, Learning(56, 10, 1))


def test_asked__as_each_campaign_began(tmp_path: Path) -> None:
    old, late, now = past(tmp_path).asked
    assert [one.campaign.campaign_id for one in (old, late, now)] == ["old", "late", "now"]
    assert late.campaign.items == {"eggs", "milk"}
    # When `late` began, `old` had ended: 1 of its 4 shoppers had redeemed, of whom a is the first.
    base = (1 + 1) / (4 + 200)
    own = late.rows[:, FEATURES.index("own_rate")]
    assert own == pytest.approx(np.log([(1 + 10 * base) / 11, *[10 * base / 11] * 3]))
    # Milk of week 12 is within 8 weeks of week 10, that of week 30 is not.
    assert late.rows[:, FEATURES.index("items_lately")] == pytest.approx(np.log([2] * 4))
    assert late.rows[:, FEATURES.index("lines_ever")] == pytest.approx(np.log([3] * 4))


@pytest.mark.parametrize(
    "later",
    [
        bought("a", "x", "milk", 9.5),  # after it began
        bought("a", "x", "milk", 11, 9.5),  # before, and learned of after
        redeemed("c", "old", "k", 15.5, 9.5),
        redeemed("c", "late", "k", 6),
        bought("new", "x", "milk", 9.5),
    ],
)
def test_asked__knows_nothing_of_later(tmp_path: Path, later: Row) -> None:
    plain, more = past(tmp_path / "plain"), past(tmp_path / "more", later)
    mine, theirs = plain.asked[1], more.asked[1]
    assert np.array_equal(mine.rows, theirs.rows)
    assert [plain.user_ids[user] for user in mine.users] == [more.user_ids[user] for user in theirs.users]
    at = AT - 10 * WEEK_US
    assert plain.fit(at) == more.fit(at)


def test_fit__learns_of_ended_campaigns_alone(tmp_path: Path) -> None:
    known = past(tmp_path)
    assert known.fit(AT - 16 * WEEK_US) is None
    assert known.fit(AT - 14 * WEEK_US) is not None
    assert known.fit(AT - 14 * WEEK_US) == known.fit(AT - 5 * WEEK_US)
    assert known.fit(AT - 5 * WEEK_US) != known.fit(AT)


def test_past__without_promotions_has_no_campaign_and_no_model(tmp_path: Path) -> None:
    shop = write_shop(tmp_path, [bought("a", "x", "milk", 3)])
    known = CampaignPast(shop.events, shop.items, shop.promotions, AT, WEEK, Learning(56, 10, 1))
    assert (known.campaigns, known.asked, known.fit(AT)) == ([], [], None)
    assert known.rates(AT).base == 1 / 200


LIMITS = {
    "": {"showings": 5, "showings_days": 7.0, "budget_showings": None, "budget_redemptions": None},
    "soon": {"showings": 1, "showings_days": 1.0, "budget_showings": None, "budget_redemptions": None},
}


def carried(folder: Path, *events: Row) -> tuple[CampaignPast, RunningCampaigns]:
    known = past(folder, *events, promotions=(promoted("eggs", -1, -5, "soon", "k9"),))
    told = told_promotions(known, folder / "promotions.parquet", LIMITS)
    return known, RunningCampaigns(json.loads(json.dumps(told)), ["milk", "eggs", "bread"])


def test_told_promotions__have_what_has_not_ended_and_the_limits(tmp_path: Path) -> None:
    _, campaigns = carried(tmp_path)
    assert [one.campaign_id for one in campaigns.running(AT)] == ["now"]
    assert [one.campaign_id for one in campaigns.running(AT + 2 * WEEK_US)] == ["now", "soon"]
    assert (campaigns.limits("now").showings, campaigns.limits("soon").showings) == (5, 1)


def test_probability__is_the_one_that_the_model_was_judged_by(tmp_path: Path) -> None:
    known, campaigns = carried(tmp_path, bought("a", "y", "bread", 2))
    now = known.asked[2]
    model = known.fit(AT)
    assert model is not None
    # As the campaign began, by what is learned at the moment: the rates of campaigns are those of the moment.
    rates, rows = known.rates(AT), now.rows.copy()
    rows[:, FEATURES.index("type_rate")] = np.log(rates.of_type(""))
    rows[:, FEATURES.index("own_rate")] = np.log(rates.own(np.array([1.0, 1, 0, 0]), 2))
    (running,) = campaigns.running(AT)
    for place, (user, redeemed_) in enumerate([("a", ["old"]), ("b", ["late", "now"]), ("c", []), ("d", [])]):
        weeks = [30, 12, 2] if user == "a" else [30, 12]
        items = np.array(["milk", "milk", "bread"][: len(weeks)])
        times = AT - np.array(weeks, np.int64) * WEEK_US
        history = History(user, items, times, np.arange(len(weeks), dtype=np.int32))
        found = campaigns.probability(
            running, campaigns.shopper(history, redeemed_, running.starts_us), running.starts_us
        )
        assert found == pytest.approx(model.probability(rows)[place])
    # Milk came 12 and 30 weeks ago, so that only who bought bread has anything of the campaign.
    assert rows[:, FEATURES.index("items_lately")] == pytest.approx(np.log([2, 1, 1, 1]))


def test_told_promotions__learn_nothing_of_later(tmp_path: Path) -> None:
    later = [redeemed("d", "now", "k", -1), bought("d", "x", "bread", -1)]
    shop = write_shop(tmp_path / "more", [*EVENTS, *later], PROMOTIONS)
    plain = write_shop(tmp_path / "plain", EVENTS, PROMOTIONS)
    told = [
        told_promotions(
            CampaignPast(one.events, one.items, one.promotions, AT, WEEK, Learning(56, 10, 1)),
            one.promotions,
            LIMITS,
        )
        for one in (shop, plain)
    ]
    assert told[0] == told[1]


def test_told_promotions__of_a_shop_without_any_are_empty(tmp_path: Path) -> None:
    shop = write_shop(tmp_path, [bought("a", "x", "milk", 3)])
    known = CampaignPast(shop.events, shop.items, shop.promotions, AT, WEEK, Learning(56, 10, 1))
    told = told_promotions(known, shop.promotions, LIMITS)
    assert (told["model"], told["campaigns"], told["starts_us"]) == (None, [], [])
    assert RunningCampaigns(told, []).offers(History.empty("a"), (), AT) == []
