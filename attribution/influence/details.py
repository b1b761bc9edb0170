"""What stands in the details beside an influence vector; nothing here loads a model."""

from __future__ import annotations

from typing import Final

METHOD: Final = "influence"
