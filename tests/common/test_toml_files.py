"""TOML files that a person names."""

from __future__ import annotations

from pathlib import Path

import pytest

from furikaeri_common.errors import InputError
from furikaeri_common.toml_files import read_toml


def read(path: Path, asked: str = "smal") -> dict[str, object]:
    return read_toml(path, asked=asked, what="recipe", names=("small", "original"))


def test_what_a_file_says_is_returned(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('name = "x"\n[part]\nsize = 3\n', encoding="utf-8")
    assert read(path) == {"name": "x", "part": {"size": 3}}


@pytest.mark.parametrize(
    ("asked", "fix"), [("smal", "Did you mean small?"), ("zzz", "By name there are: small, original")]
)
def test_a_name_that_is_none_is_met_with_the_nearest_or_all(tmp_path: Path, asked: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path / asked, asked)
    assert (caught.value.message, caught.value.fix) == (f"{asked}: no recipe of this name and no such file", fix)


def test_what_is_no_toml_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    for content in (b"name = ", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"own\.toml: is no TOML"):
            read(path)
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)
