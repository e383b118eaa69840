"""The files of earlier contests: what tells them apart, and how each is read into the same columns.

Every contest wrote its truth in its own way. A file is known by its header, for names change on the way from a
download page to a folder. Each format becomes the same columns: isic_id, the diagnosis as the contest wrote it, iddx_1
(what the diagnosis amounts to), and whatever it says of patient, lesion, age, sex and site.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from isic_lesion.past.tidying import image_name, picking, read_2016, read_2017, read_2020, read_ham10000, read_one_hot
from isic_lesion.past.words import CODES

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["FORMATS", "PRECEDENCE", "REPEATS", "PastFormat", "recognise"]

PRECEDENCE = ("ISIC 2020", "ISIC 2019", "HAM10000", "ISIC 2018", "ISIC 2017", "ISIC 2016")
"""Whose word counts where several contests speak of the same image: the later one's, for it knew the earlier."""

REPEATS = "images that repeat others"
"""What a file tells that names pairs of images of which one is enough."""

_SHORT_2018 = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_SHORT_2019 = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
_ISBI_ID = re.compile(r"ISIC_[0-9]{7}")


class PastFormat(NamedTuple):
    """One kind of file of an earlier contest.

    Attributes:
        contest: one of `PRECEDENCE`.
        what: "truth" (says what each lesion is), or what else it tells.
        header: the columns that tell it from all others.
        tidy: cells as text -> `TIDY_COLUMNS`, row by row; of `REPEATS`: kept, repeat.
    """

    contest: str
    what: str
    header: tuple[str, ...]
    tidy: Callable[[DataFrame], DataFrame]


def recognise(header: Sequence[str]) -> PastFormat | None:
    """Return the format of a file with this header, None for a stranger; the 2016 files have no header line.

    >>> recognise(["image", "age_approx", "anatom_site_general", "lesion_id", "sex"]).contest
    'ISIC 2019'
    >>> recognise(["ISIC_0000000", "benign"]).contest
    'ISIC 2016'
    """
    if len(header) == 2 and _ISBI_ID.fullmatch(header[0]) and header[1] in ("benign", "malignant", "0.0", "1.0"):
        return _2016
    names = {name.strip() for name in header}
    return next((known for known in FORMATS if known.header and names.issuperset(known.header)), None)


def _named(codes: Sequence[str]) -> dict[str, str]:
    return {code: CODES[code] for code in codes}


_2016 = PastFormat("ISIC 2016", "truth", (), read_2016)

FORMATS = (
    _2016,
    PastFormat("ISIC 2017", "truth", ("image_id", "melanoma", "seborrheic_keratosis"), read_2017),
    PastFormat(
        "ISIC 2017",
        "age and sex",
        ("image_id", "age_approximate", "sex"),
        picking("image_id", age="age_approximate", sex="sex"),
    ),
    PastFormat(
        "ISIC 2018",
        "truth",
        ("image", *_SHORT_2018),
        lambda frame: read_one_hot(frame, "image", _named(_SHORT_2018)),
    ),
    PastFormat(
        "ISIC 2018",
        "lesions",
        ("image", "lesion_id", "diagnosis_confirm_type"),
        picking("image", lesion_id="lesion_id"),
    ),
    PastFormat(
        "ISIC 2019",
        "truth",
        ("image", *_SHORT_2019),
        lambda frame: read_one_hot(frame, "image", _named((*_SHORT_2019, "UNK"))),
    ),
    PastFormat(  # of the test images; has the columns of 2019 too, so it stands before them
        "ISIC 2020",
        "age, sex, site and patients",
        ("image", "patient", "age_approx", "anatom_site_general", "sex"),
        picking("image", patient_id="patient", age="age_approx", sex="sex", site="anatom_site_general"),
    ),
    PastFormat(
        "ISIC 2019",
        "age, sex, site and lesions",
        ("image", "age_approx", "anatom_site_general", "sex"),
        picking("image", lesion_id="lesion_id", age="age_approx", sex="sex", site="anatom_site_general"),
    ),
    PastFormat(
        "ISIC 2020",
        "truth",
        ("image_name", "patient_id", "anatom_site_general_challenge", "diagnosis", "target"),
        read_2020,
    ),
    PastFormat(  # of the test images, as Kaggle has it
        "ISIC 2020",
        "age, sex, site and patients",
        ("image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge"),
        picking(
            "image_name",
            patient_id="patient_id",
            age="age_approx",
            sex="sex",
            site="anatom_site_general_challenge",
        ),
    ),
    PastFormat(
        "ISIC 2020",
        REPEATS,
        ("image_name_1", "image_name_2"),
        lambda frame: frame.select(kept=image_name("image_name_1"), repeat=image_name("image_name_2")),
    ),
    PastFormat("HAM10000", "truth", ("lesion_id", "image_id", "dx", "age", "sex", "localization"), read_ham10000),
)
"""Every kind of file that is known."""
