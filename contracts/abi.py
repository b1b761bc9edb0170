"""Calls, answers and events of a contract as bytes, from its ABI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic, function_abi_to_4byte_selector

from contracts.errors import PreflightError

Item = Mapping[str, Any]


def _types(items: Iterable[Item]) -> list[str]:
    return [collapse_if_tuple(item) for item in items]  # type: ignore[arg-type]  # an ABI item is a plain dict


class Abi:
    """One contract's interface."""

    def __init__(self, items: Iterable[Item]) -> None:
        items = list(items)
        self._functions = {item["name"]: item for item in items if item["type"] == "function"}
        self._constructor: list[Item] = next((item["inputs"] for item in items if item["type"] == "constructor"), [])
        events = [item for item in items if item["type"] == "event"]
        self._events = {event_abi_to_log_topic(item): item for item in events}  # type: ignore[arg-type]  # plain dicts
        self.topics = {item["name"]: topic for topic, item in self._events.items()}

    def constructor(self, *arguments: Any) -> bytes:
        return encode(_types(self._constructor), arguments)

    def data(self, name: str, *arguments: Any) -> bytes:
        """The call data of a function."""
        item = self._functions[name]
        return function_abi_to_4byte_selector(item) + encode(_types(item["inputs"]), arguments)  # type: ignore[arg-type]  # plain dicts

    def answer(self, name: str, output: bytes) -> Any:
        """What a function returned: one value, a struct as a dict, or a tuple."""
        outputs = self._functions[name]["outputs"]
        try:
            values = decode(_types(outputs), output)
        except DecodingError:
            raise PreflightError(
                f"{name}(): the contract at this address answers {len(output)} bytes; check address and chain"
            ) from None
        if len(outputs) == 1 and outputs[0]["type"] == "tuple":
            return dict(zip([part["name"] for part in outputs[0]["components"]], values[0], strict=True))
        return values[0] if len(values) == 1 else values

    def event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
        """The name and the fields of an event; None for one of another contract."""
        item = self._events.get(topics[0]) if topics else None
        if item is None:
            return None
        indexed = [field for field in item["inputs"] if field["indexed"]]
        plain = [field for field in item["inputs"] if not field["indexed"]]
        values = dict(zip([field["name"] for field in plain], decode(_types(plain), data), strict=True))
        for field, topic in zip(indexed, topics[1:], strict=True):
            values[field["name"]] = decode([field["type"]], topic)[0]
        return item["name"], values
