"""What is known of the same patient and body location from before.

Time is age_approx, in steps of five years; rows of equal age are simultaneous. "Before" is the latest earlier age at
which the patient has a lesion at that location: a previous value is the mean over the rows of that age. Rows of the
same or a later age are never looked at, and the order of rows does not matter. A row without age, patient or location
has no history, which is NaN; one with no earlier rows has 0 of them, and NaN for the rest.

The statistics of kind `file_order` are the exception: the row before in the file, of the same patient and location, as
the original solution shifted. They see rows of any age, and change with the order of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isic_lesion.features.groups import moments, of_group
from isic_lesion.features.rows import Groups, Rows, groups_of_codes

__all__ = ["SAME_PLACE", "Visits", "history", "row_before", "visits_of"]

SAME_PLACE = ("patient_id", "tbp_lv_location")
"""The columns that rows of one history share."""

Numbers = NDArray[np.float64]


class Visits(NamedTuple):
    """Rows of one patient, location and age.

    Attributes:
        groups: which rows a visit has.
        before: the visit at the latest earlier age, -1 where there is none; intp, shape (V,).
        years: since then, NaN where there is none; float64, shape (V,).
        number: how many rows all earlier visits have; float64, shape (V,).
    """

    groups: Groups
    before: NDArray[np.intp]
    years: Numbers
    number: Numbers


def visits_of(rows: Rows) -> Visits:
    """Return the visits, by patient, location and age."""
    place, age = rows.groups(SAME_PLACE).code, rows.numbers("age_approx")
    known = np.flatnonzero((place >= 0) & ~np.isnan(age))
    known = known[np.lexsort((age[known], place[known]))]
    if not len(known):
        none = np.zeros(0)
        return Visits(groups_of_codes(np.full(len(rows), -1), 0), np.zeros(0, np.intp), none, none)
    same_place = place[known][1:] == place[known][:-1]
    same_visit = same_place & (age[known][1:] == age[known][:-1])
    first = np.flatnonzero(np.append(True, ~same_visit))
    code = np.full(len(rows), -1)
    code[known] = np.cumsum(np.append(True, ~same_visit)) - 1
    went_on = np.append(False, same_place)[first]
    before = np.where(went_on, np.arange(len(first)) - 1, -1)
    age_then = age[known][first]
    years = np.where(went_on, age_then - age_then[before], np.nan)
    begun = np.maximum.accumulate(np.where(went_on, 0, first))
    return Visits(groups_of_codes(code, len(first)), before, years, (first - begun).astype(np.float64))


def history(statistic: str, visits: Visits, values: Callable[[], Numbers]) -> Numbers:
    """Return what is known from before of each row; float64, shape (N,).

    Args:
        statistic: "previous" (the mean at the visit before), "change" (the value less that), "change_per_year",
            "number" (of all earlier rows) or "years" (since the visit before).
        visits: of the rows.
        values: gives the measure's values, shape (N,); not called for the last two.
    """
    code = visits.groups.code
    if statistic == "number":
        return of_group(visits.number, code)
    if statistic == "years":
        return of_group(visits.years, code)
    now = values()
    previous = of_group(of_group(moments(now, visits.groups).mean, visits.before), code)
    if statistic == "previous":
        return previous
    return now - previous if statistic == "change" else (now - previous) / of_group(visits.years, code)


def row_before(statistic: str, rows: Rows, values: Numbers) -> Numbers:
    """Return the value of the row before in the file, of the same patient and location, or the change since it.

    Args:
        statistic: "previous" or "change".
        rows: the rows.
        values: the measure's, shape (N,).
    """
    place = rows.groups(SAME_PLACE).code
    in_file = rows.place[place[rows.place] >= 0]
    in_file = in_file[np.argsort(place[in_file], kind="stable")]
    previous = np.full(len(rows), np.nan)
    same = place[in_file][1:] == place[in_file][:-1]
    previous[in_file[1:][same]] = values[in_file[:-1][same]]
    return previous if statistic == "previous" else values - previous
