"""MLflow's alias `champion` after a command moved traffic or started the stack: a projection of the ledger."""

from collections.abc import Callable


def project_champion(tell: Callable[[str], None]) -> None:
    """Have the alias name what is live, and say so; what is live does not wait for MLflow."""
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings
    from pipelines.stack.components import mlflow_answers

    ledger = Ledger(settings().ledger)
    if ledger.live() is None:
        return  # spares a first start the import of MLflow
    if (complaint := mlflow_answers(settings())) is not None:
        tell(f"  MLflow's alias champion was left as it is ({complaint}); the next `shoploop up` corrects it")
        return
    from pipelines.actions.mark_champion import mark_champion
    from pipelines.registry import Registry

    tell(f"  in MLflow {mark_champion(Registry(settings().mlflow), ledger)}")
