"""The usage expression on Apache Spark: for segments near a cluster, or too large for one machine.

Only SQL runs on the cluster, so that its workers need neither Python nor Settle. Integers are summed
as decimals under ANSI rules: an overflow is an error there, never a wrong number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ledger.segments.check import check_files
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import File
from payouts.usage.segments import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir

LOCAL_CLUSTER: Final = "local-cluster"
"""Two executors of one core and 1 GiB each, as processes of this machine."""

SETTINGS: Final = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.enabled": "false",
    "spark.executor.cores": "1",
    "spark.executor.memory": "900m",
    "spark.driver.memory": "1g",
}
"""Ours, unless `spark-defaults.conf` or the caller says otherwise; the first two are not up for debate."""
_FIXED: Final = ("spark.sql.ansi.enabled", "spark.sql.session.timeZone")


class Spark:
    """A Spark application of ours, on the master that was named."""

    def __init__(self, master: str, settings: Mapping[str, str]) -> None:
        import ibis
        from pyspark.sql import SparkSession

        self.name = master
        address = "local-cluster[2,1,1024]" if master == LOCAL_CLUSTER else master
        here = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        chosen = {**SETTINGS, **(here if _on_this_machine(address) else {}), **settings}
        chosen |= {name: SETTINGS[name] for name in _FIXED}
        builder = SparkSession.builder.master(address).appName("settle usage")
        for name, value in chosen.items():
            builder = builder.config(name, value)
        self._session: Any = builder.getOrCreate()
        self._connection: Any = ibis.pyspark.connect(self._session)
        self._views = 0

    def check(self, base: str, files: Sequence[File]) -> None:
        """Files at a URL are hashed by the workers, where they are read; those on a disk here, here."""
        if "://" not in base:
            check_files(Path(base), files)
        elif files:
            digests = self._digests([f"{base}/{file.path}" for file in files])
            for file in files:
                if (digest := digests.get(file.path)) != file.sha256:
                    raise SegmentError(
                        f"{base}/{file.path} has digest {digest}, the log committed to {file.sha256}; copy it again "
                        "from the workspace's segments"
                    )

    def _digests(self, paths: Sequence[str]) -> dict[str, str]:
        from pyspark.errors import AnalysisException

        try:
            hashed = self._session.read.format("binaryFile").load(list(paths)).selectExpr("path", "sha2(content, 256)")
        except AnalysisException as missing:
            raise SegmentError(f"not every segment is where the cluster looks for it: {missing}") from None
        # Spark spells URLs its own way; what follows the base is `period=/day=/part-...`, as the manifests have it
        return {"/".join(path.rsplit("/", 3)[1:]): digest for path, digest in hashed.collect()}

    def scan(self, paths: Sequence[str]) -> ir.Table:
        return self._viewed(self._session.read.parquet(*paths))

    def local(self, rows: pa.Table) -> ir.Table:
        return self._viewed(self._session.createDataFrame(rows))

    def _viewed(self, frame: Any) -> ir.Table:
        self._views += 1
        name = f"settle_{self._views}"
        frame.createOrReplaceTempView(name)
        return self._connection.table(name)

    def run(self, expression: ir.Table) -> pa.Table:
        return self._session.sql(self._connection.compile(expression)).toArrow()

    def close(self) -> None:
        self._session.stop()


def _on_this_machine(master: str) -> bool:
    return master.startswith(("local", "spark://127.0.0.1", "spark://localhost"))


@contextmanager
def spark_engine(master: str, settings: Mapping[str, str] | None = None) -> Iterator[Engine]:
    """A Spark application for as long as it is needed; `settings` are Spark's own."""
    engine = Spark(master, settings or {})
    try:
        yield engine
    finally:
        engine.close()
