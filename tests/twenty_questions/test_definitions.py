"""Definitions of keywords: the sense that is a thing is taken."""

from __future__ import annotations

import pytest

from furikaeri_common.errors import InputError
from twenty_questions.labelling.definitions import NO_DEFINITIONS, Definitions, physical_definitions


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    try:
        return physical_definitions()
    except InputError as error:
        pytest.skip(str(error))


def test_a_kind_of_thing_goes_before_a_person_and_an_idea(definitions: Definitions) -> None:
    assert "neck" in definitions.of("crane") or "lifts" in definitions.of("crane")
    assert "mouse" in definitions.of("bat") or "club" in definitions.of("bat")
    assert definitions.of("kettle").startswith("a metal pot")


def test_an_idea_is_better_than_nothing_and_an_unknown_word_has_none(definitions: Definitions) -> None:
    assert "sensation" in definitions.of("Anesthesia")
    assert definitions.of("qwertyuiop kettle") == ""
    assert NO_DEFINITIONS.of("kettle") == ""


def test_the_database_is_the_identity(definitions: Definitions) -> None:
    assert len(definitions.identity) == 64
    assert physical_definitions().identity == definitions.identity
