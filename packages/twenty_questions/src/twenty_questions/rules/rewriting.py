"""Rewrites of a sentence into the rules' own wording: `does ⟨keyword⟩ start with ...`, `contain ...`, `is ... `.

"Is the letter e in the keyword?", "Are there any e's in it?" and "The name includes an E." come out alike, so that a
rule reads only what follows one of a few verbs. See `naming` for the words in ⟨brackets⟩.
"""

from __future__ import annotations

import re

from twenty_questions.rules.naming import NAMING, Row, row
from twenty_questions.rules.patterns import pattern

__all__ = ["ORDER", "rewrite", "take_out_order"]

_WORDS = r"(?:(?:both|they|it|words|all words|the words|things) ){0,2}(?:(?:are|is|were) )?"
ORDER = pattern(
    r",? ?\(?\b(?:"
    rf"(?:(?:(?:if|when|once) )?{_WORDS}{{sort}} )?(?:alphabetic|lexicographic|lexic)(?:al)?ly(?: speaking)?"
    rf"|(?:(?:if|when|once) )?{_WORDS}(?:{{sort}} )?(?:in|by|using|under|within|according to|based on|in terms of) "
    r"(?:(?:an?|the|strict|standard|normal|ascending|english) ){0,3}"
    r"(?:alphabetic(?:al)?|lexicographic(?:al)?|lexical|dictionary|alphabetically sorted|sort(?:ing|ed)) "
    r"(?:(?:sort(?:ing|ed)? )?order(?:ing)?|sort(?:ing)?|sequence|list(?:ing)?|comparison|terms)(?: of words)?"
    r"|(?:listed |found )?(?:in|along|down) (?:the|an?) (?:english |standard )?(?:dictionary|alphabet)"
    r")\b\)?"
)
"""What says that the alphabet orders."""
_LEFT_BEHIND = pattern(r"\b(?:if|when|once) (?:they are |it is |it was )?{sort} *(?=[?.,]|$)")


def take_out_order(sentence: str) -> tuple[str, bool]:
    """Return a sentence without the words that say the alphabet orders, and whether there were any."""
    text = _LEFT_BEHIND.sub("", ORDER.sub(" ", sentence))
    text = re.sub(r" +([?.,])", r"\1", re.sub(r" {2,}", " ", text)).strip(" ,")
    return text, ORDER.search(sentence) is not None


_CONTAINS = r"does \g<whole> \g<no>contain \g<object>"

# The name comes first, whatever the sentence starts with.
_TURNED = (
    row(r"^(?:is|are) there {not}(?P<object>.{1,200}?) {present}{inside} {whole}$", _CONTAINS),
    row(
        r"^is (?:the word )?(?P<object>{q}) {not}one of the words {in} {whole}$",
        r"does \g<whole> \g<no>contain the word \g<object>",
    ),
    row(
        r"^(?:is|are) (?P<object>{letters}) {not}(?:(?:one|some|any) of the (?:letters?|characters?|words?) "
        r"|an? (?:letter|character|substring|part) |part )?{present}(?:anywhere )?{in} {whole}$",
        _CONTAINS,
    ),
    row(
        r"^(?:does|do|can|could|would|will) (?P<object>(?:{letters}|(?:any|the same|some|one) letters?)) {not}"
        r"{appear}(?P<times>{times}) {inside} {whole}(?P<late>{times})$",
        _CONTAINS + r"\g<times>\g<late>",
    ),
    row(
        r"^(?:is|are|does|do) (?P<object>{any letters}\b.{1,200}?) {not}(?:{appear} )?{present}{inside} {whole}$",
        _CONTAINS,
    ),
    row(r"^(?:would|will|can|could|do) (?:i|you|we|one) {not}find (?P<object>{letters}) {inside} {whole}$", _CONTAINS),
    row(r"^(?:would|will|can|could|do) (?:i|you|we|one) find {whole} ", r"is \g<whole> "),
    row(r"^(?:do|would|can|could) (?:you|we|i) (?:spell|write) (?:it|⟨keyword⟩) with ", "does ⟨keyword⟩ contain "),
    row(r"^(?:is|are) (?P<object>{letter}) (?P<place>{place} of ⟨[^⟩]*⟩)$", r"is \g<place> \g<object>"),
    row(
        r"^(?:is|are|does|do) (?P<object>{any letters}\b.{1,200}?) (?:be |is |equals? |match(?:es)? )?(?:to )?"
        r"(?P<place>{place} of ⟨[^⟩]*⟩)$",
        r"is \g<place> \g<object>",
    ),
    row(
        r"^(?:does|do|is) ⟨(?P<whole>keyword|it)⟩ (?:have|contain|include|spelled with|feature) (?P<object>{letter}) "
        r"(?:as|for|in) (?P<place>{place}) of ⟨[^⟩]*⟩$",
        r"is \g<place> of ⟨\g<whole>⟩ \g<object>",
    ),
    row(r"^(?:is|was) (?P<object>{q}) ⟨keyword⟩$", r"is ⟨keyword⟩ \g<object>"),
)

# "A word that starts with": the relative clause says it all.
_RELATIVE = (
    row(r"⟨(?:keyword|it)⟩ (?:be )?(?:an?|the) (?:word|name|term|phrase|⟨keyword⟩) (?:that|which) ", "⟨keyword⟩ "),
    row(r"⟨(?:keyword|it)⟩ (?:be )?(?:something|an? (?:thing|object|item)|one|the one) (?:that|which) ", "⟨it⟩ "),
    row(r"⟨(?:keyword|it)⟩ (?:be )?(?:something|an? (?:thing|object|item)) whose name ", "⟨keyword⟩ "),
    row(r"(?<=⟩) (?:be )?an? (?:word|name|term|phrase) (?:with|of|having|containing|made (?:up )?of) ", " contain "),
)

_VERBS = (
    row(r"⟩ (?:be )?(?:found|listed|filed) under the letter ", "⟩ start with the letter "),
    row(r"⟩ {not}(?:start|begin)s? and ends? (?:with|in) ", r"⟩ \g<no>edges with "),
    row(
        r"⟩ {not}(?:be )?(?:(?:start|begin|commence)s?(?: off)? (?:with|by)|(?:spelled )?(?:starting|beginning) with"
        r"|prefixed (?:with|by)) ",
        r"⟩ \g<no>start with ",
    ),
    row(
        r"⟩ {not}(?:be )?(?:(?:end|finish|terminate|conclude)s?(?: off)? (?:with|in|on)|ending (?:with|in)"
        r"|suffixed (?:with|by)) ",
        r"⟩ \g<no>end with ",
    ),
    row(
        r"⟩ (?:lacks?|omits?|excludes?|(?:be )?(?:(?:spelled|written) without|free of|missing|devoid of)) (?:having )?",
        "⟩ not contain ",
    ),
    row(
        r"⟩ {not}(?:be )?(?:contains?|includes?|containing|consists? of|compris(?:e|es|ed) of|composed of"
        r"|made (?:up )?(?:of|from)|spelled (?:with|using)|written with) ",
        r"⟩ \g<no>contain ",
    ),
    row(r"⟩ {not}(?:has|have|features?|uses?|possess(?:es)?|holds?|got)(?: got)? ", r"⟩ \g<no>have "),
    row(
        r"⟩ {not}(?:contain|have) (?P<object>{letter}) at the (?:beginning|start|front)$",
        r"⟩ \g<no>start with \g<object>",
    ),
    row(r"⟩ {not}(?:contain|have) (?P<object>{letter}) at the end$", r"⟩ \g<no>end with \g<object>"),
)

_REWRITES: tuple[Row, ...] = (*NAMING, *_TURNED, *_RELATIVE, *_VERBS)


def rewrite(sentence: str) -> str:
    """Return a sentence in the rules' own wording, as far as the table knows it."""
    for before, after in _REWRITES:
        sentence = re.sub(r" {2,}", " ", before.sub(after, sentence)).strip()
    return sentence
