"""Name the extra that installs a missing library, so that the error tells the user what to install."""

from __future__ import annotations

from typing import Final

from ledger.errors import StateError

EXTRAS: Final[dict[str, str]] = {
    "arabic_reshaper": "attribution",
    "onnxruntime": "encoders",
    "PIL": "payouts",
    "alembic": "postgres",
    "c2pa": "provenance",
    "apscheduler": "service",
    "confluent_kafka": "service",
    "duckdb": "payouts",
    "eth": "chain",
    "eth_abi": "chain",
    "eth_account": "chain",
    "eth_tester": "chain",
    "eth_typing": "chain",
    "eth_utils": "chain",
    "faiss": "attribution",
    "hexbytes": "chain",
    "ibis": "payouts",
    "jinja2": "payouts",
    "markupsafe": "payouts",
    "mido": "attribution",
    "nats": "service",
    "numpy": "payouts",
    "psycopg": "postgres",
    "pyarrow": "payouts",
    "pyspark": "spark",
    "reportlab": "attribution",
    "starlette": "service",
    "uvicorn": "service",
    "anyio": "service",
    "prometheus_client": "service",
    "defusedxml": "service",
    "requests": "chain",
    "rlp": "chain",
    "safetensors": "attribution",
    "scipy": "attribution",
    "sha3": "chain",
    "soundfile": "attribution",
    "soxr": "attribution",
    "torch": "attribution",
    "vyper": "dev",
    "web3": "chain",
}


def explained(error: Exception) -> Exception:
    """Return a missing library as an error with a remedy, and any other error unchanged."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing not in EXTRAS:
        return error
    return StateError(f"this needs {missing}, which is not installed: pip install 'settle-engine[{EXTRAS[missing]}]'")
