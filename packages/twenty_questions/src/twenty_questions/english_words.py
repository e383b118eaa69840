"""The words that `english` treats in a way of their own: data, a line or a paragraph for each treatment."""

from __future__ import annotations

__all__ = [
    "ASKERS",
    "DOWN",
    "IGNORED",
    "IRREGULAR",
    "LIGHT",
    "MEASURES",
    "NEGATIONS",
    "NUMBERS",
    "PHRASES",
    "SAME",
    "SCALES",
    "UP",
]

IGNORED = """
    a an the is it its are be been being was were am do does did doing has having had can could will would shall should
    may might must this that these those thing something anything item you i we they them he she your my our their us
    so then here what which who when whenever where if as than well also just really actually ever even likely
    probably basically generally usually typically often normally mostly mainly primarily most main
    majority typical usual normal purpose way able certain particular specific sort kind type form such
    consider call know think refer describe classify regard someone somebody anyone anybody example say maybe
    perhaps possibly ok okay please hey hmm um s t d ve re ll m ca wo keyword average
"""
"""Words that say nothing of what is asked."""

LIGHT = """
    in on of to at for with by from and or into onto upon out off up down over under above below inside around through
    about after before during while have any some all every each much only very too own part use find make relate
    person many several other another more less get go come put take need help want one there like common word madeof
"""
"""Words that say little: they tell "in it" from "made of it", but decide nothing alone."""

ASKERS = """
    it: it they this that these those
    you: you i we people one someone
    there: there
"""
"""Whom the first words of a question are about: the thing ("does it") or whoever has to do with it ("can you")."""

NEGATIONS = "no not never nt cannot without lack lacks neither nor non cant dont doesnt didnt isnt arent wasnt wont"
"""Words that turn a question around."""

SCALES = """
    size: bigger larger taller greater wider | smaller tinier shorter | big large huge | small tiny little
    weight: heavier | lighter | heavy | light
    cost: pricier dearer costlier | cheaper | expensive pricey | cheap
    age: older | newer younger | old | new young recent
    length: longer | | long | short
    speed: faster quicker | slower | fast | slow
"""
"""Scales: comparatives that point up | down, and the plain words that do so between "as" and "as"."""

MEASURES = """
    weight: weigh weighs kilo kilos kg gram grams pound pounds ton tons
    cost: cost costs price priced dollar dollars buck bucks
    age: year years
"""
"""Words that name the scale of a comparison with "more", "under" and the like."""

UP = "more over above exceed exceeds beyond after since later least upwards minimum"
DOWN = "less fewer under below beneath before until earlier within maximum"
"""Words that point up or down beside a number or before "than"."""

NUMBERS = """
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty
"""
"""Number words from two on ("one" is mostly no number)."""

IRREGULAR = """
    find: found
    wear: wore worn
    make: made
    sell: sold
    keep: kept
    give: gave given
    throw: threw thrown
    drink: drank drunk
    hold: held
    break: broke broken
    build: built
    grow: grew grown
    drive: drove driven
    ride: rode ridden
    buy: bought
    bring: brought
    see: saw seen
    teach: taught
    stick: stuck
    feed: fed
    sleep: slept
    write: wrote written
    fly: flew flown
    hang: hung
    spin: spun
    lie: lay laid lying
    go: went gone
    get: got gotten
    take: took taken
    come: came
    stand: stood
    freeze: froze frozen
    weave: wove woven
    sit: sat
    child: children
    man: men
    woman: women
    foot: feet
    tooth: teeth
    leaf: leaves
    knife: knives
    person: people persons
    die: died dying
    eat: ate eaten eatable
    spice: seasoning seasonings
    forest: woods
    trained: trained
    topping: topping toppings
    attire: clothes clothing
    have: has had having
"""
"""Forms that no rule undoes."""

PHRASES = """
    relate: related to, associated with, connected with, connected to, have to do with, to do with, deal with, tied to
    madeof: made of, made from, made out of, consist of, composed of, constructed of, made up of
    shoebox: shoe box
    seethrough: see through
    livingroom: living room, sitting room, family room
    supermarket: grocery store
    pharmacy: drug store
    hardwarestore: hardware store, hardware shop
    clothesshop: clothing store, clothes shop, clothes store, clothing shop
    yard: back yard, front yard
    daily: every day, everyday, each day, daily basis
    manmade: man made, human made
    byitself: by itself, on its own, by its own
    discard: throw away, throw out, toss out
    person: human being
    several: more than one
    many: a lot of, lots of, plenty of, a lot
    spoil: go bad, go off
    burn: catch fire, set on fire
    explode: blow up
    musicalinstrument: musical instrument
    lifeform: living thing, living being, living creature, living organism
"""
"""Phrases that are one word."""

SAME = """
    car: automobile auto
    bicycle: bike
    motorcycle: motorbike
    child: kid youngster
    baby: infant toddler newborn
    buy: purchase
    garbage: trash rubbish
    doctor: physician
    person: human me myself
    airplane: plane aeroplane aircraft
    boat: ship
    movie: film
    picture: photo image photograph
    television: tv
    refrigerator: fridge
    phone: telephone smartphone
    color: colour
    gray: grey
    jewelry: jewellery
    odor: odour scent
    flavor: flavour
    fiber: fibre
    aluminum: aluminium
    fabric: textile cloth
    sidewalk: pavement
    autumn: fall
    trousers: pants
    dangerous: hazardous
    poisonous: toxic venomous
    tiny: minuscule
    repair: fix mend
    military: army
    electricity: electrical electric
    ocean: sea
    forest: woods woodland
    price: cost
    weigh: weight
    dollar: buck usd
    kilo: kg kilogram
    wealthy: rich
    purse: handbag
    rucksack: backpack knapsack
    gift: present
    beautiful: pretty
    damp: moist
    summer: summertime
    winter: wintertime
    eye: eyesight
"""
"""Words that mean the same in such questions: the first stands for all."""
