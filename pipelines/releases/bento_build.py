"""Building Bentos: beside ``serving``, the only module that imports bentoml."""

import ast
import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

NAME = "shoploop"
SERVICE = "serving.service:Shoploop"
IMAGE_ENVIRONMENT = {
    # The data plane is what the image exposes on 3000; BentoML's own port moves aside and serves health.
    "SHOPLOOP_DATA_HOST": "0.0.0.0",
    "SHOPLOOP_DATA_PORT": "3000",
    "BENTOML_PORT": "3001",
    "SHOPLOOP_STATE_FILE": "/home/bentoml/state/shopper.db",
    # Who can reach a container is not known here: it says who may ask.
    "SHOPLOOP_OPEN_SCOPES": "none",
    "BENTOML_DO_NOT_TRACK": "True",
    # What the image installs, it installs once: the unpacked packages need not lie there a second time.
    "UV_NO_CACHE": "1",
}


class BentoBuildError(Exception):
    """A Bento cannot be built; the message names the file and the remedy."""


def inference_modules(root: Path) -> list[Path]:
    """Modules of ``pipelines`` that serving imports, directly or through each other, relative to ``root``.

    Raises:
        BentoBuildError: A module that is imported is not there.
    """
    return modules_behind(root, sorted((root / "serving").glob("*.py")))


def modules_behind(root: Path, sources: list[Path]) -> list[Path]:
    """Modules of ``pipelines`` that some files import, directly or through each other, relative to ``root``.

    Raises:
        BentoBuildError: A module that is imported is not there.
    """
    waiting = list(sources)
    found: set[Path] = set()
    while waiting:
        for module in _imported(root, waiting.pop()):
            if module not in found:
                found.add(module)
                waiting.append(root / module)
    return sorted(found)


def _imported(root: Path, source: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(source.read_text(), str(source))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] == "pipelines":
                yield from _files_of(root, name, source)


def _files_of(root: Path, name: str, source: Path) -> Iterator[Path]:
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        stem = Path(*parts[:depth])
        if (root / stem).is_dir():
            yield from [stem / "__init__.py"] if (root / stem / "__init__.py").is_file() else []
        elif (module := stem.with_suffix(".py")) and (root / module).is_file():
            yield module
        elif depth < len(parts):
            raise BentoBuildError(f"{source} imports {name}, but {root / stem} is not there")


def stage_sources(workspace: Path, bundle: Path, out: Path) -> None:
    """Lay out what a Bento holds: serving, the inference half of pipelines, the bundle, the requirements.

    Where the bundle carries its own code, that code is what the Bento runs: what was judged is what ships.

    Raises:
        BentoBuildError: Part of it is missing.
    """
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("serving", "requirements/serving.txt"):
        if not (workspace / name).exists():
            raise BentoBuildError(f"{workspace / name} is missing; restore it with git")
    shutil.copytree(workspace / "serving", out / "serving", ignore=ignored)
    shutil.copytree(bundle, out / "bundle", ignore=ignored)
    for module in inference_modules(workspace):
        own = bundle / "code" / module
        (out / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(own if own.is_file() else workspace / module, out / module)
    shutil.copy(workspace / "requirements" / "serving.txt", out / "requirements.txt")


def content_version(folder: Path) -> str:
    """A version made of the content, so that building the same again finds the same Bento."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def build(
    workspace: Path, bundle: Path, week: int, labels: Mapping[str, str], home: Path
) -> tuple[str, str, Path]:
    """Build the Bento of a bundle, or find the one built of the same content before.

    Its version is made of all that it holds: the same bundle behind other serving code answers otherwise.

    Args:
        workspace: Checkout with ``serving`` and ``requirements/serving.txt``.
        bundle: The model bundle.
        week: Decision week; begins the version, so that a person finds it in ``bentoml list``.
        labels: Facts of the run; kept by the Bento, not part of its version.
        home: BentoML's store.

    Returns:
        Hash of the content, tag and path.

    Raises:
        BentoBuildError: BentoML refuses; nothing half-built stays in the store.
    """
    with TemporaryDirectory(prefix="shoploop-bento-") as folder:
        sources = Path(folder) / "src"
        stage_sources(workspace, bundle, sources)
        content = content_version(sources)
        with _bentoml(home):
            return content, *_build(sources, f"r-{week}-{content}", labels)


def _build(sources: Path, version: str, labels: Mapping[str, str]) -> tuple[str, Path]:
    import bentoml
    from bentoml.exceptions import BentoMLException, NotFound

    with contextlib.suppress(NotFound):
        bento = bentoml.bentos.get(f"{NAME}:{version}")
        return str(bento.tag), Path(bento.path)
    options = {
        "service": SERVICE,
        "name": NAME,
        "labels": dict(labels),
        "description": "One release of the shoploop recommender.",
        "python": {"requirements_txt": "requirements.txt", "lock_packages": False},
        "envs": [{"name": name, "value": value} for name, value in IMAGE_ENVIRONMENT.items()],
    }
    # JSON is YAML; the file lies beside the sources, since everything among them goes into the Bento.
    bentofile = sources.parent / "bentofile.yaml"
    bentofile.write_text(json.dumps(options))
    try:
        bento = bentoml.bentos.build_bentofile(str(bentofile), version=version, build_ctx=str(sources))
    except (BentoMLException, OSError) as error:
        raise BentoBuildError(f"BentoML cannot build {NAME}:{version}: {error}") from error
    return str(bento.tag), Path(bento.path)


def stored_bentos(home: Path) -> list[tuple[str, Path]]:
    """Tags and folders of all recommenders in BentoML's store."""
    if not home.is_dir():
        return []
    with _bentoml(home):
        import bentoml

        return [(str(bento.tag), Path(bento.path)) for bento in bentoml.bentos.list(NAME)]


def delete_bento(tag: str, home: Path) -> None:
    """Remove a Bento from BentoML's store."""
    with _bentoml(home):
        import bentoml

        bentoml.bentos.delete(tag)


@contextlib.contextmanager
def _bentoml(home: Path) -> Iterator[None]:
    """BentoML on a store of our own; it reads the environment when it is first imported."""
    if "bentoml" in sys.modules and os.environ.get("BENTOML_HOME") != str(home):
        raise BentoBuildError(
            f"BentoML is loaded already with another store than {home}; build in a new process"
        )
    home.mkdir(parents=True, exist_ok=True)
    os.environ |= {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    path = list(sys.path)
    yield
    sys.path[:] = path
