"""The shop that this installation works for: its parameters, calendar, clock, landing store and source."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.clock import ShopClock
from pipelines.landing import Landing
from pipelines.params import Params, ParamsError, load_params
from pipelines.settings import Settings
from pipelines.sources.complete_journey import CompleteJourney
from pipelines.sources.declaration import load_source
from pipelines.sources.declared import DeclaredSource
from pipelines.sources.shop_source import ShopSource
from pipelines.sources.staging import Staging
from pipelines.weeks import ShopCalendar
from serving.state import ShopperState
from serving.stores import open_state

COMPLETE_JOURNEY = "complete_journey"


@dataclass(frozen=True)
class OpenShop:
    """Everything that landing and judging a batch needs."""

    params: Params
    calendar: ShopCalendar
    clock: ShopClock
    landing: Landing
    state_file: Path
    state_url: str
    data_docs: Path
    expectations: Path
    declarations: Path
    checkout: Path
    staged: Path

    def state(self) -> ShopperState:
        """What the endpoint knows and was told; to be closed.

        Raises:
            ValueError: ``SHOPLOOP_STATE_URL`` names no store.
        """
        return open_state(self.state_url, self.state_file)

    def source(self) -> ShopSource:
        """The shop's own data.

        Raises:
            ParamsError: ``shop.source`` names neither the default shop nor a declaration.
            SourceError: The declaration cannot be used.
        """
        name = self.params.shop.source
        if name == COMPLETE_JOURNEY:
            return CompleteJourney(self.calendar)
        path = self.declarations / f"{name}.yaml"
        if not path.is_file():
            declared = sorted(file.stem for file in self.declarations.glob("*.yaml"))
            raise ParamsError(
                f"params.yaml: shop.source: expected one of {', '.join([COMPLETE_JOURNEY, *declared])}, found "
                f"{name!r}; `shoploop source add {name}` makes {path}"
            )
        return DeclaredSource(
            load_source(path),
            self.calendar,
            self.checkout,
            Staging(self.staged / name),
            self.params.shop.rows_per_batch,
        )


def open_shop(settings: Settings, workspace: Path | None = None) -> OpenShop:
    """The shop that ``settings`` and ``params.yaml`` describe: the workspace's if it has one, else the checkout's."""
    own = workspace is not None and (workspace / "params.yaml").exists()
    code = workspace if workspace is not None and own else settings.checkout
    params = load_params(code / "params.yaml")
    return OpenShop(
        params=params,
        calendar=ShopCalendar.of(params.shop),
        clock=ShopClock(settings.clock_file),
        landing=Landing(settings.landing),
        state_file=settings.state_file,
        state_url=settings.state_url,
        data_docs=settings.data_docs,
        expectations=settings.home / "great_expectations",
        declarations=code / "sources",
        checkout=settings.checkout,
        staged=settings.staged,
    )
