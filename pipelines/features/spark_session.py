"""A Spark session with fixed settings: on this machine by default, on a cluster when one is named."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import Any

from pipelines.features.views import FeatureError

OLDEST_JAVA = 17
REMEDY = "or set build_features.engine in params.yaml to duckdb"
QUIET = """
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark: %c{1}: %m%n%ex{3}
"""


@dataclass(frozen=True)
class SparkPlace:
    """Where Spark runs.

    Attributes:
        master: Spark's master URL; ``local[*]`` is this machine with all its cores.
        driver_memory: Heap of the driver, as Java writes it (``2g``).
        scratch: Folder for its temporary files, emptied at the end. On a cluster every node must see it, as it
            must see the inputs.
    """

    master: str
    driver_memory: str
    scratch: Path

    @property
    def on_this_machine(self) -> bool:
        """Whether no cluster is named."""
        return self.master.startswith("local")


@contextmanager
def open_session(place: SparkPlace) -> Iterator[Any]:
    """A session and nothing left of it afterwards, neither files nor a process.

    Raises:
        FeatureError: pyspark or Java is missing or too old, or the session does not start.
    """
    builder = _builder()
    require_java()
    place.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="spark-", dir=place.scratch) as folder:
        session = _start(builder, place, Path(folder).resolve())
        try:
            yield session
        finally:
            _end(session)


def require_java() -> None:
    """Check that Spark finds a Java that it can run on.

    Raises:
        FeatureError: There is none, or it is older than 17.
    """
    home = environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    if java is None:
        raise FeatureError(
            f"build_features.engine is spark, but {'JAVA_HOME=' + home if home else 'PATH'} has no Java; install "
            f"Java {OLDEST_JAVA} or newer (Debian: apt-get install default-jre-headless), {REMEDY}"
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise FeatureError(
            f"build_features.engine is spark, but {java} is not Java {OLDEST_JAVA} or newer (it says "
            f"{said.strip().splitlines()[:1]}); install one, set JAVA_HOME to it, {REMEDY}"
        )


def _builder() -> Any:
    if find_spec("pyspark") is None:
        raise FeatureError(
            "build_features.engine is spark, but pyspark is not installed; run `make setup-spark`, " + REMEDY
        )
    from pyspark.sql import SparkSession

    return SparkSession.builder


def _start(builder: Any, place: SparkPlace, folder: Path) -> Any:
    for name, value in _options(place, folder).items():
        builder = builder.config(name, value)
    try:
        return builder.master(place.master).appName("shoploop").getOrCreate()
    except Exception as error:  # py4j, pyspark and the JVM each have errors of their own
        raise FeatureError(
            f"Spark does not start on {place.master} ({str(error).strip().splitlines()[0]}); check "
            f"SHOPLOOP_SPARK_MASTER and SHOPLOOP_SPARK_DRIVER_MEMORY, {REMEDY}"
        ) from error


def _options(place: SparkPlace, folder: Path) -> dict[str, str]:
    quiet = folder / "log4j2.properties"
    quiet.write_text(QUIET)
    java = f"-Djava.io.tmpdir={folder} -XX:-UsePerfData -Dlog4j2.configurationFile={quiet.as_uri()}"
    options = {
        "spark.driver.memory": place.driver_memory,
        "spark.driver.extraJavaOptions": java,
        "spark.local.dir": str(folder),
        "spark.log.level": "ERROR",
        "spark.sql.ansi.enabled": "true",  # an overflow is an error, as in DuckDB
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if place.on_this_machine:
        options |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": "4",
        }
    return options


def _end(session: Any) -> None:
    """Stop the session and its JVM, which would otherwise live as long as this process."""
    from pyspark import SparkContext

    gateway = session.sparkContext._gateway
    session.stop()
    gateway.shutdown()
    process = getattr(gateway, "proc", None)
    if process is not None:
        process.stdin.close()
        process.wait()
    SparkContext._gateway = None
    SparkContext._jvm = None
