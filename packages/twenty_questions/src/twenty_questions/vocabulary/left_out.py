"""Words that no part of a new name may be: data. Names that people wrote for this project are not held against them."""

from __future__ import annotations

__all__ = ["ADULT", "FUNCTION_WORDS", "is_left_out"]

_FUNCTION = """
    a an the and or but nor so yet of in on at to for from by with without within into onto upon over under above below
    between among through during before after since until against about across along around behind beside beyond near
    off out up down as than then per via like
    i me my mine myself we us our ours ourselves you your yours yourself he him his himself she her hers herself it its
    itself they them their theirs themselves one ones this that these those who whom whose which what where when why how
    there here am is are was were be been being do does did done doing have has had having will would shall should can
    could may might must need dare used not no yes all any some every each both either neither none many much more most
    few less least several other others another such same own only just even also too very quite rather almost again
    ever never always often sometimes now still already soon if because while though although unless whether however
    therefore thus else get got go goes going gone went make makes made making take takes took taken taking put let say
    says said see seen saw know known knew think want wants use uses using find found give given gave come came look
    looks seem seems become became ii iii iv vs etc re ve ll don didn doesn isn wasn aren couldn wouldn shouldn mr mrs
    ms dr
"""
_ADULT = """
    anal anus ass asses asshole bdsm bitch bitches blowjob blowjobs boob boobs brothel clit cock cocks creampie cum
    cumshot cumshots cunt dick dicks dildo dildos erotic erotica ejaculation faggot fetish fuck fucked fucking
    gangbang hentai hooker incest interracial masturbation milf milfs naked nazi nigger nude nudes nudity nudist
    orgasm orgasms orgy penis porn porno pornography pornstar prostitute pussy rape rapist sex sexual sexy shemale
    shit slut sluts sodomy strapon tit tits tranny twink twinks upskirt vagina viagra voyeur whore whores xxx
"""

FUNCTION_WORDS = frozenset(_FUNCTION.split())
"""Words that say how others belong together, and the commonest verbs."""

ADULT = frozenset(_ADULT.split())
"""Words that frequent pairs of the web bring along and a parlour game does without."""


def is_left_out(name: str) -> bool:
    """Return whether a part of a name is among these words."""
    return any(part in FUNCTION_WORDS or part in ADULT for part in name.split())
