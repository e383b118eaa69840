"""What tests of every member share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data, or skip where there is none."""
    folder = Path(os.environ.get("FURIKAERI_REAL_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder; set FURIKAERI_REAL_DATA")
    return folder
