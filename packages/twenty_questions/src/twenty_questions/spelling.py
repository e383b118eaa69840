"""What a name is made of: its characters, letters and words, and when two letters are the same.

Everything is lower case. A letter with an accent counts as itself and as the plain letter, so "éclair" starts with "e".
"""

from __future__ import annotations

import unicodedata

__all__ = ["bare", "characters", "is_letter", "letters", "plain", "words"]


def characters(name: str) -> str:
    """Return the name in lower case and composed form, without outer white space."""
    return unicodedata.normalize("NFC", name.lower()).strip()


def bare(name: str) -> str:
    """Return the characters without punctuation at either end: what a name starts and ends with."""
    text = characters(name)
    inner = [position for position, character in enumerate(text) if character.isalnum()]
    return text[inner[0] : inner[-1] + 1] if inner else ""


def letters(name: str) -> str:
    """Return the letters of a name in order; spaces, hyphens, digits and the like are not letters."""
    return "".join(character for character in characters(name) if character.isalpha())


def words(name: str) -> list[str]:
    """Return the words of a name: what white space separates, so that "t-shirt rack" has two."""
    return characters(name).split()


def plain(letter: str) -> str:
    """Return a letter without its accents; anything else as it is."""
    parts = unicodedata.normalize("NFD", letter)
    return parts[:1] if all(unicodedata.combining(mark) for mark in parts[1:]) else letter


def is_letter(character: str, letter: str) -> bool:
    """Return whether a name's character is the letter asked for, both lower case."""
    return character == letter or (bool(character) and plain(character) == letter)
