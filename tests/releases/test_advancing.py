"""A release on its way through its steps, with real processes and a load."""

import time

import pytest
from endpoint_under_test import Load, eventually, make_release
from test_endpoint import kill_group_of
from test_split import Shoppers

from pipelines.params import load_params
from pipelines.releases.advancing import abort, advance
from pipelines.releases.records import StaleMove
from pipelines.releases.stepping import steps, take_step
from pipelines.releases.switch import Mover

POLICY = load_params().advance_release.model_copy(
    update={
        "shadow_requests": 0,
        "canary_shares": (0.2, 0.5),
        "minimum_requests": 30,
        "minimum_seconds": 0.2,
        "maximum_seconds": 60.0,
        # The machine may be busy: how fast a tiny release answers is no matter here.
        "slow_seconds": 1.0,
    }
)


class Way:
    """A live release of week 44 and a candidate of week 45, which may be asked to advance."""

    def __init__(self, endpoint, behaviour="good", policy=POLICY):
        self.endpoint, self.policy = endpoint, policy
        self.old, self.new = endpoint.add(44, "a"), endpoint.add(45, "b", behaviour)
        self.mover = Mover(endpoint.ledger, endpoint.settings)
        endpoint.start()
        endpoint.make_live(self.old)

    def advance(self):
        release = self.endpoint.ledger.release(self.new)
        return advance(self.mover, self.policy, release, self.old, "test")

    def walk(self, seconds=40):
        def end():
            progress = self.advance()
            return progress if progress.is_over else None

        return eventually(end, seconds, "the end of the way")

    def taken(self):
        return [(step.step, step.share) for step in steps(self.endpoint.ledger)]


def test_advance__a_good_release_becomes_live_step_by_step_without_a_failed_request(endpoint):
    way = Way(endpoint)
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        progress = way.walk()
        eventually(lambda: (way.new, "champion") in shoppers.arms, what="an answer of the new champion")
    assert shoppers.failures == []
    assert (progress.state, progress.share, progress.stepped) == ("live", 1.0, True)
    assert way.taken() == [("canary", 0.2), ("canary", 0.5)]
    assert endpoint.ledger.live().release_id == way.new
    again = way.advance()
    assert (again.state, again.stepped) == ("live", False)
    assert endpoint.ledger.verify().faults == ()


def test_advance__a_canary_that_errs_is_taken_back_and_no_control_shopper_notices(endpoint):
    way = Way(endpoint, "failing")
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        progress = way.walk()
        eventually(lambda: endpoint.status().candidate is None, what="the end of the split")
        struck = {user for user, _ in shoppers.failures}
        time.sleep(0.3)
        shoppers.failures.clear()
        shoppers.forget()
        eventually(lambda: len(shoppers.seen) == shoppers.shoppers, what="every shopper")
    assert progress.state == "aborted"
    assert "errors:" in progress.reason
    assert way.taken() == [("canary", 0.2), ("aborted", 0.0)]
    assert shoppers.failures == []
    assert shoppers.of(way.new) == set()
    # Whoever saw an error had been given to the canary: about a fifth, and always the same.
    assert 5 <= len(struck) <= 48
    assert endpoint.ledger.live().release_id == way.old
    assert way.advance().stepped is False
    assert len(steps(endpoint.ledger)) == 2


SHADOWED = POLICY.model_copy(update={"shadow_requests": 40})


def test_advance__a_good_shadow_goes_on_to_the_shoppers(endpoint):
    way = Way(endpoint, policy=SHADOWED)
    progress = way.advance()
    assert (progress.state, progress.share) == ("shadow", 0.0)
    assert way.advance().reason.startswith("0 requests in")
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        progress = way.walk()
    assert shoppers.failures == []
    assert progress.state == "live"
    assert way.taken() == [("canary", 0.0), ("canary", 0.2), ("canary", 0.5)]
    assert [step.kind for step in steps(endpoint.ledger)] == ["shadow", "canary", "canary"]
    assert "100% of the first ten as in the live list" in steps(endpoint.ledger)[1].reason
    assert endpoint.ledger.verify().faults == ()


@pytest.mark.parametrize("behaviour", ["failing", "short"])
def test_advance__a_shadow_that_errs_is_taken_back_and_no_shopper_notices(endpoint, behaviour):
    way = Way(endpoint, behaviour, SHADOWED)
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        progress = way.walk()
    assert shoppers.failures == []
    assert shoppers.of(way.new) == set()
    assert progress.state == "aborted"
    assert "errors:" in progress.reason
    assert way.taken() == [("canary", 0.0), ("aborted", 0.0)]


def test_advance__a_shadow_whose_process_dies_is_taken_back(endpoint):
    way = Way(endpoint, policy=SHADOWED.model_copy(update={"shadow_requests": 10**9}))
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        way.advance()
        eventually(lambda: "requests in" in way.advance().reason, what="a judgement")
        kill_group_of(endpoint.status().releases[way.new].pid)
        progress = way.walk()
    assert shoppers.failures == []
    assert (progress.state, way.taken()[-1]) == ("aborted", ("aborted", 0.0))
    assert "its process ended" in progress.reason or "errors:" in progress.reason


def test_advance__of_a_shadow_alone_goes_from_nobody_to_all(endpoint):
    way = Way(endpoint, policy=SHADOWED.model_copy(update={"canary_shares": ()}))
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        progress = way.walk()
        eventually(lambda: (way.new, "champion") in shoppers.arms, what="an answer of the new champion")
    assert shoppers.failures == []
    assert progress.state == "live"
    assert way.taken() == [("canary", 0.0)]


def test_advance__goes_on_in_its_shadow_after_the_endpoint_was_killed(endpoint):
    way = Way(endpoint, policy=SHADOWED)
    assert way.advance().state == "shadow"
    endpoint.process.kill()
    endpoint.process.wait()
    endpoint.start()
    eventually(lambda: endpoint.state(way.new) == "ready" and endpoint.serves() == way.old, what="both again")
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        progress = way.walk()
    assert shoppers.failures == []
    assert progress.state == "live"
    assert way.taken()[0] == ("canary", 0.0)


def test_advance__goes_on_after_the_endpoint_was_killed_between_two_steps(endpoint):
    way = Way(endpoint)
    with Load(endpoint.settings.port_endpoint) as load:
        # More than is asked of it afterwards: a process that was started anew counts from zero.
        eventually(lambda: load.answers[way.old] > 3000, what="counts of the live release")
    assert way.advance().share == 0.2
    endpoint.process.kill()
    endpoint.process.wait()
    endpoint.start()
    eventually(lambda: endpoint.state(way.new) == "ready" and endpoint.serves() == way.old, what="both again")
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        progress = way.walk()
    assert shoppers.failures == []
    assert progress.state == "live"
    assert way.taken() == [("canary", 0.2), ("canary", 0.5)]


def test_advance__a_canary_whose_process_dies_is_taken_back(endpoint):
    way = Way(endpoint, policy=POLICY.model_copy(update={"minimum_requests": 10**9}))
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        way.advance()
        eventually(lambda: (way.new, "canary") in shoppers.arms, what="an answer of the canary")
        kill_group_of(endpoint.status().releases[way.new].pid)
        progress = way.walk()
    assert shoppers.failures == []
    assert (progress.state, way.taken()[-1]) == ("aborted", ("aborted", 0.0))
    assert "its process ended 1 times" in progress.reason


def test_advance__the_first_release_is_live_at_once(endpoint):
    only = endpoint.ledger.release(endpoint.add(44, "a"))
    endpoint.start()
    progress = advance(Mover(endpoint.ledger, endpoint.settings), POLICY, only, None, "test")
    assert (progress.state, steps(endpoint.ledger)) == ("live", [])
    assert endpoint.serves() == only.release_id


def test_advance__of_an_old_run_that_wakes_late_moves_nothing(endpoint):
    way = Way(endpoint)
    way.advance()
    newer = endpoint.add(46, "c")
    endpoint.ledger.move(newer, way.old, "release", "test", "meanwhile", "d-1")
    with pytest.raises(StaleMove, match=f"{newer} is live"):
        way.advance()
    assert endpoint.ledger.live().release_id == newer


def test_advance__does_not_begin_while_another_candidate_is_on_its_way(endpoint):
    way = Way(endpoint)
    other = endpoint.ledger.add_release(make_release(46, "c" * 64)).release_id
    take_step(endpoint.ledger, other, (way.old, 0), "canary", 0.1, "test", "first come")
    with pytest.raises(StaleMove, match=f"{other} is on its way"):
        way.advance()


def test_abort__ends_the_way_for_good_and_says_so_again(endpoint):
    way = Way(endpoint)
    assert abort(way.mover, "somebody", "enough") is None
    way.advance()
    assert abort(way.mover, "somebody", "enough").reason == "enough"
    again = way.advance()
    assert (again.state, again.reason, again.stepped) == ("aborted", "enough", False)
