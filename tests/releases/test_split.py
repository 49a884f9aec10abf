"""A canary's share of the shoppers, with real processes: who gets it, for how long, and what a crash does."""

import http.client
import json
import threading
from collections import defaultdict

import pytest
from endpoint_under_test import eventually
from test_endpoint import kill_group_of

from pipelines.releases.stepping import steps, take_step


class Shoppers:
    """Clients that ask for ever other shoppers, and keep who was answered by which release and as what."""

    def __init__(self, port, clients=3, shoppers=120):
        self.port, self.shoppers = port, shoppers
        self.seen, self.arms, self.failures = defaultdict(set), set(), []
        self.asked = [0] * clients
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def forget(self):
        self.seen, self.arms = defaultdict(set), set()

    def of(self, release):
        return {user for user, found in dict(self.seen).items() if release in found}

    def _ask(self, client):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        number = client
        while not self._stopped.is_set():
            self.asked[client] += 1
            number += 1
            user = f"shopper {number % self.shoppers}"
            try:
                connection.request("POST", "/v1/recommendations", json.dumps({"k": 3, "user_id": user}))
                answer = connection.getresponse()
                body = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append((user, repr(error)))
                connection.close()
                continue
            if answer.status != 200:
                self.failures.append((user, answer.status))
            self.seen[user].add(body.get("release"))
            self.arms.add((body.get("release"), body.get("variant")))


def begin(endpoint, share, behaviour="good"):
    old, new = endpoint.add(44, "a"), endpoint.add(45, "b", behaviour)
    endpoint.start()
    endpoint.make_live(old)
    take_step(endpoint.ledger, new, (old, 0), "canary", share, "test", "begin")
    eventually(lambda: endpoint.state(new) == "ready", what="the candidate ready")
    eventually((endpoint.home / "endpoint" / "split-on").exists, what="the split")
    return old, new


def settled(shoppers):
    """Look at all again, once every client has the answer that was under way."""
    before = list(shoppers.asked)
    eventually(
        lambda: all(now > then for now, then in zip(shoppers.asked, before, strict=True)),
        what="the next request of every client",
    )
    shoppers.forget()
    eventually(lambda: len(shoppers.seen) == shoppers.shoppers, what="every shopper")


def test_split__keeps_a_shopper_where_he_is_as_the_share_grows_and_the_endpoint_is_killed(endpoint):
    old, new = begin(endpoint, 0.1)
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        eventually(lambda: (new, "canary") in shoppers.arms, what="an answer of the canary")
        eventually(lambda: (old, "control") in shoppers.arms, what="an answer of the control")
        settled(shoppers)
        few = shoppers.of(new)
        assert few.isdisjoint(shoppers.of(old))
        assert 2 <= len(few) <= 30
        take_step(endpoint.ledger, new, (old, 1), "canary", 0.5, "test", "more")
        eventually(lambda: len(shoppers.of(new)) > len(few) + 10, what="a larger share")
        settled(shoppers)
        many = shoppers.of(new)
    assert shoppers.failures == []
    assert few < many
    assert many.isdisjoint(shoppers.of(old))
    assert 35 <= len(many) <= 85

    endpoint.process.kill()
    endpoint.process.wait()
    endpoint.start()
    eventually((endpoint.home / "endpoint" / "split-on").exists, what="the split again")
    eventually(lambda: endpoint.state(new) == "ready" and endpoint.serves() == old, what="both again")
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        settled(shoppers)
    assert shoppers.of(new) == many


@pytest.mark.parametrize("ending", ["promoted", "aborted"])
def test_split__ends_without_a_failed_request(endpoint, ending):
    old, new = begin(endpoint, 0.5)
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        eventually(lambda: (new, "canary") in shoppers.arms, what="an answer of the canary")
        if ending == "promoted":
            endpoint.ledger.move(new, old, "release", "test", "it was well", "d-1")
        else:
            take_step(endpoint.ledger, new, (old, 1), "aborted", 0, "test", "enough")
        winner = new if ending == "promoted" else old
        eventually(lambda: (winner, "champion") in shoppers.arms, what="the word champion")
        settled(shoppers)
    assert shoppers.failures == []
    assert shoppers.arms == {(winner, "champion")}
    assert endpoint.status().candidate is None


def test_split__a_canary_that_is_killed_costs_no_shopper_an_answer(endpoint):
    _, new = begin(endpoint, 0.3)
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        eventually(lambda: (new, "canary") in shoppers.arms, what="an answer of the canary")
        kill_group_of(endpoint.status().releases[new].pid)
        eventually(lambda: endpoint.status().releases[new].restarts == 1, what="the restart")
        eventually(lambda: endpoint.state(new) == "ready", what="the candidate again")
        settled(shoppers)
    assert shoppers.failures == []


def test_split__a_live_release_that_is_killed_costs_no_shopper_an_answer(endpoint):
    old, new = begin(endpoint, 0.3)
    with Shoppers(endpoint.settings.port_endpoint) as shoppers:
        eventually(lambda: (new, "canary") in shoppers.arms, what="an answer of the canary")
        kill_group_of(endpoint.status().releases[old].pid)
        eventually(lambda: endpoint.status().releases[old].restarts == 1, what="the restart")
        eventually(lambda: endpoint.serves() == old, what="the live release again")
        settled(shoppers)
    assert shoppers.failures == []


def test_split__requests_that_name_no_shopper_are_answered_by_the_live_release(endpoint):
    old, _ = begin(endpoint, 0.99)
    assert {endpoint.serves() for _ in range(20)} == {old}
    assert len(steps(endpoint.ledger)) == 1
