"""Running campaigns in words and in the form of an answer."""

from pipelines.ranking.running_campaigns import Offer
from serving.clock import iso
from serving.schemas import Promotion


def no_holdout(running: list[str]) -> str:
    """Why nothing can be said of uplift."""
    which = f"no running campaign ({', '.join(running)})" if running else "no campaign"
    return (
        f"`by`: {which} has a randomised holdout, so that what showing it brings cannot be told from what"
        ' shoppers do anyway; ask by "response"'
    )


def nothing_to_show(running: list[str]) -> str:
    """Why no campaign is in the list."""
    if not running:
        return "no campaign is running"
    return f"no coupon of the running campaigns ({', '.join(running)}) is good for an item that may be shown"


def promotion(offer: Offer) -> Promotion:
    """An offer as an answer carries it."""
    campaign = offer.campaign
    ends_at, items = iso(campaign.ends_us), list(offer.item_ids)
    return Promotion(
        campaign.campaign_id, offer.coupon_id, round(offer.probability, 6), ends_at, items, offer.reason
    )
