"""The shop that this installation works for: its parameters, calendar, clock, landing store and source."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.clock import ShopClock
from pipelines.landing import Landing
from pipelines.params import Params, ParamsError, load_params
from pipelines.settings import Settings
from pipelines.sources.complete_journey import CompleteJourney
from pipelines.weeks import ShopCalendar

SOURCES = {"complete_journey": CompleteJourney}


@dataclass(frozen=True)
class OpenShop:
    """Everything that landing and judging a batch needs."""

    params: Params
    calendar: ShopCalendar
    clock: ShopClock
    landing: Landing
    state_file: Path
    data_docs: Path
    expectations: Path

    def source(self) -> CompleteJourney:
        """The shop's own data.

        Raises:
            ParamsError: ``shop.source`` names no adapter.
        """
        name = self.params.shop.source
        if name not in SOURCES:
            raise ParamsError(
                f"params.yaml: shop.source: expected one of {', '.join(SOURCES)}, found {name!r}"
            )
        return SOURCES[name](self.calendar)


def open_shop(settings: Settings, workspace: Path | None = None) -> OpenShop:
    """The shop that ``settings`` and ``params.yaml`` describe: the workspace's if it has one, else the "
    "checkout's."""
    own = workspace / "params.yaml" if workspace else None
    params = load_params(own if own and own.exists() else settings.checkout / "params.yaml")
    return OpenShop(
        params=params,
        calendar=ShopCalendar.of(params.shop),
        clock=ShopClock(settings.clock_file),
        landing=Landing(settings.landing),
        state_file=settings.state_file,
        data_docs=settings.data_docs,
        expectations=settings.home / "great_expectations",
    )
