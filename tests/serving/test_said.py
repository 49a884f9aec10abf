"""What is known of items after they were put one by one, in groups, or all at once."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from serving.said import NOTHING_SAID, Said, read_item
from serving.schemas import PutItem

titles = st.none() | st.sampled_from(["Tea", "茶"])
prices = st.none() | st.sampled_from([1.0, 2.5])
puts = st.dictionaries(
    st.sampled_from("abc"), st.builds(PutItem, st.none() | st.integers(0, 1), st.booleans(), prices, titles)
)


@given(st.lists(puts, max_size=6))
def test_after__is_the_last_word_on_each_item(groups: list[dict[str, PutItem]]) -> None:
    said, last = NOTHING_SAID, dict[str, PutItem]()
    for group in groups:
        before, said = said, said.after([*group.items()])
        last |= group
        assert said.withheld == {name for name, item in last.items() if item.hidden or item.stock == 0}
        assert said.prices == {name: item.price for name, item in last.items() if item.price is not None}
        assert said.described == {name: item for name, item in last.items() if item.title is not None}
        assert said.described != before.described or said.described is before.described
        assert said.withheld != before.withheld or said.withheld is before.withheld
        assert said.prices != before.prices or said.prices is before.prices
    assert Said() == NOTHING_SAID


def test_read_item__of_a_later_release_and_of_an_earlier_one() -> None:
    assert read_item('{"stock": 0, "hidden": false, "colour": "red"}').is_withheld
    assert read_item(b'{"stock": null, "hidden": false}').price is None
    assert read_item(msgspec.json.encode(PutItem(price=2.5))).price == 2.5
    # A process of an earlier release, which shares the store, refuses fields that it does not know.
    assert msgspec.json.encode(PutItem(stock=0, hidden=True)) == b'{"stock":0,"hidden":true}'
