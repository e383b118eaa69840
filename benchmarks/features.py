"""How fast features are computed, beside the same features in pandas, and how much memory a whole table takes.

    uv run python benchmarks/features.py [--rows 401059] [--measures 8] [--threads 2] [--data FOLDER] [--all-measures]

Both compute every feature of the full set that belongs to some measures (a column or a formula), on all rows, and the
values are compared before anything is timed. pandas groups by categorical keys, takes the statistics of all measures
of a group in one call, and writes columns of float32: what a careful user would write. It is spared what it has no
operation for: the local outlier factor and the search for a row's cluster. Ranks in groups that cross patients are
exact in pandas and from quantiles here, so they are compared to within 1/128 and half a row.

pandas' time for the whole set is that of the measures times the number of measures, plus what is done once (keys,
categories, counts); `--all-measures` runs it on all of them instead, for which it needs some 15 GB. Then a process of
its own computes and writes the whole set, and says how long it took and how much memory it had at its peak. Ratios are
of the processor's seconds, which others at work on the machine disturb less than the clock's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion.data.dataset import open_lesions
from isic_lesion.data.schema import NUMERIC_COLUMNS
from isic_lesion.features import Feature, FeatureSet, compute, fit_population, full, write_features
from isic_lesion.features.clusters import CLUSTER_FORMULAS, nearest_cluster
from isic_lesion.features.computing import compute_columns, rows_for
from isic_lesion.features.formulas import evaluate
from isic_lesion.features.lesion import CATEGORIES
from isic_lesion.features.population import Population, fit_rows

ROWS, PATIENTS, MOST_LESIONS = 401_059, 1_042, 9_184
FASTER, MOST_GB = 4, 5.0  # than pandas; of memory
PLACE = ["patient_id", "tbp_lv_location"]


def made_up(number: int, seed: int = 0) -> pl.DataFrame:
    """Return lesions of patients with the contest's long tail of lesion counts, in random order."""
    rng = np.random.default_rng(seed)
    patients = max(2, round(PATIENTS * number / ROWS))
    weight = rng.lognormal(0.0, 1.1, patients)
    weight[0] = 0.0
    weight = weight / weight.sum() * (1 - MOST_LESIONS / ROWS)
    weight[0] = MOST_LESIONS / ROWS
    whose = rng.choice(patients, number, p=weight)

    def of_patient(values: Any) -> Any:
        return np.asarray(values)[whose]

    columns: dict[str, Any] = {
        "isic_id": [f"ISIC_{i:07d}" for i in range(number)],
        "patient_id": of_patient([f"IP_{i:07d}" for i in range(patients)]),
    }
    for name in NUMERIC_COLUMNS:
        columns[name] = np.round(rng.gamma(3.0, 2.0, number) + of_patient(rng.gamma(2.0, 1.0, patients)), 6)
    columns["age_approx"] = of_patient(rng.integers(6, 16, patients) * 5.0) + 5.0 * (rng.random(number) < 0.2)
    columns["tbp_lv_symm_2axis_angle"] = rng.integers(0, 36, number) * 5.0
    for name, known in CATEGORIES.items():
        varies = name in ("anatom_site_general", "tbp_lv_location", "tbp_lv_location_simple")
        drawn = rng.choice(known, number) if varies else of_patient(rng.choice(known, patients))
        columns[name] = drawn
    frame = pl.DataFrame(columns)
    age = pl.when(pl.Series(rng.random(number) < 0.007)).then(None).otherwise(pl.col("age_approx"))
    return frame.with_columns(age_approx=age)


def slice_of(whole: FeatureSet, number: int | None) -> FeatureSet:
    """Return the features of some measures, spread over the set, and those of no measure; all if `number` is None."""
    comparable = [feature for feature in whole.features if feature.kind != "outlier"]
    measures = list(dict.fromkeys(feature.formulas for feature in comparable if feature.formulas))
    if number is not None:
        measures = [measures[at] for at in np.linspace(0, len(measures) - 1, number).round().astype(int)]
    chosen = [feature for feature in comparable if not feature.formulas or feature.formulas in measures]
    return FeatureSet(name="slice", features=tuple(chosen))


def by_pandas(frame: pd.DataFrame, chosen: FeatureSet, cluster: np.ndarray) -> tuple[pd.DataFrame, float]:
    """Return the features, and the processor's seconds for what does not grow with the number of measures."""
    start = time.process_time()
    keys = {key for feature in chosen.features for key in feature.group if key != "cluster"} | set(PLACE)
    frame = frame.assign(cluster=cluster, **{key: frame[key].astype("category") for key in keys})
    out: dict[str, pd.Series] = {}
    for feature in chosen.features:
        if feature.kind == "one_hot":
            (key,), (category,) = feature.group, feature.category
            out[feature.name] = (frame[key] == category).astype("float32").where(frame[key].notna())
        elif feature.kind == "group" and feature.statistic == "count":
            out[feature.name] = frame.groupby(list(feature.group), observed=True)["isic_id"].transform("size")
    visits = frame.groupby([*PLACE, "age_approx"], observed=True).size().rename("number").reset_index()
    by_place = visits.groupby(PLACE, observed=True)
    visits["history.number"] = by_place["number"].cumsum() - visits["number"]
    visits["history.years"] = visits["age_approx"] - by_place["age_approx"].shift(1)
    asked = [feature.name for feature in chosen.features if feature.kind == "history" and not feature.formulas]
    out |= dict(frame[[*PLACE, "age_approx"]].merge(visits, how="left", on=[*PLACE, "age_approx"])[asked].items())
    once = time.process_time() - start

    formulas = list(dict.fromkeys(feature.formulas[0] for feature in chosen.features if feature.formulas))
    values = pd.DataFrame({formula: evaluate(formula, lambda name: frame[name].to_numpy()) for formula in formulas})
    grouped: dict[tuple[str, ...], Any] = {}
    for group in dict.fromkeys(feature.group for feature in chosen.features if feature.kind == "group"):
        members = [feature for feature in chosen.features if feature.group == group and feature.kind == "group"]
        wanted = sorted({feature.formulas[0] for feature in members if feature.formulas})
        grouped[group] = values[wanted].groupby([frame[key] for key in group], observed=True)
        told: dict[str, pd.DataFrame] = {}

        def tell(statistic: str, told: dict[str, pd.DataFrame] = told, by: Any = grouped[group]) -> pd.DataFrame:
            if statistic not in told:
                told[statistic] = by.rank() if statistic == "rank" else by.transform(statistic)
            return told[statistic]

        for feature in members:
            if feature.formulas:
                out[feature.name] = _beside(feature, values[feature.formulas[0]], tell).astype("float32")
    followed = sorted({f.formulas[0] for f in chosen.features if f.kind == "history" and f.formulas})
    if followed:
        place = [frame[key] for key in PLACE]
        means = values[followed].groupby([*place, frame["age_approx"]], observed=True).mean()
        before = means.groupby(level=[0, 1], observed=True).shift(1)
        at = pd.MultiIndex.from_arrays([*place, frame["age_approx"]])
        before = before.reindex(at).reset_index(drop=True)
        for feature in chosen.features:
            if feature.kind == "history" and feature.formulas:
                previous = before[feature.formulas[0]]
                change = values[feature.formulas[0]] - previous
                per_year = {"previous": previous, "change": change}
                found = per_year.get(feature.statistic)
                out[feature.name] = (change / out["history.years"] if found is None else found).astype("float32")
    for feature in chosen.features:
        if feature.kind == "lesion":
            out[feature.name] = values[feature.formulas[0]].astype("float32")
    return pd.DataFrame({name: out[name].astype("float32") for name in chosen.names}), once


def _beside(feature: Feature, value: pd.Series, tell: Callable[[str], pd.DataFrame]) -> pd.Series:
    formula = feature.formulas[0]
    match feature.statistic:
        case "rank":
            return (tell("rank")[formula] - 0.5) / tell("count")[formula]
        case "z":
            sd = tell("std")[formula]
            return (value - tell("mean")[formula]) / sd.where(sd > 1e-12 * tell("mean")[formula].abs())
        case "difference":
            return value - tell("mean")[formula]
        case "ratio":
            mean = tell("mean")[formula]
            return value / (mean + np.where(mean < 0, -1e-6, 1e-6))
        case statistic:
            return tell("std" if statistic == "sd" else statistic)[formula]


def compare(ours: pl.DataFrame, theirs: pd.DataFrame, chosen: FeatureSet) -> dict[str, float]:
    """Return the largest difference of each kind of feature; raise if one is more than rounding."""
    worst = {"all_others": 0.0, "rank_by_quantiles": 0.0}
    for feature in chosen.features:
        one, other = ours[feature.name].to_numpy().astype(float), theirs[feature.name].to_numpy().astype(float)
        if feature.kind == "group" and feature.statistic in ("z", "sd"):
            # A constant group: pandas' deviation is rounding or 0, ours is 0, and z is NaN.
            other = np.where(np.isnan(one), np.nan, other)
        assert (np.isnan(one) == np.isnan(other)).all(), f"{feature.name}: other values are missing"
        if feature.crosses_patients and feature.statistic == "rank":
            # 1/128 from the quantiles and half a row; a few of the counted values may be missing.
            number = ours[f"{feature.name.split('.')[0]}.count"].to_numpy()
            beyond = float(np.nanmax(np.abs(one - other) - 1 / 128 - 0.6 / number, initial=-1.0))
            assert beyond < 0, f"{feature.name}: {beyond} beyond what quantiles allow"
            worst["rank_by_quantiles"] = max(worst["rank_by_quantiles"], float(np.nanmax(np.abs(one - other))))
            continue
        apart = float(np.nanmax(np.abs(one - other) / np.maximum(1.0, np.abs(other)), initial=0.0))
        assert apart < 1e-4, f"{feature.name}: {apart} apart"
        worst["all_others"] = max(worst["all_others"], apart)
    return worst


def clusters_of(rows: pl.DataFrame, population: Population) -> np.ndarray:
    """Return each row's cluster."""
    if population.clusters is None:
        return np.zeros(len(rows))
    numbers = {name: rows[name].fill_null(np.nan).to_numpy() for name in NUMERIC_COLUMNS}
    return nearest_cluster([evaluate(one, numbers.__getitem__) for one in CLUSTER_FORMULAS], population.clusters)


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what a call returns, and its seconds by the clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - processor, 2),
    }


def beside_pandas(rows: pl.DataFrame, number: int | None, threads: int) -> dict[str, Any]:
    """Return times of both on some measures, after their values were compared."""
    whole = full()
    chosen = slice_of(whole, number)
    population = fit_population(rows, chosen, threads=threads)
    frame = _as_pandas(rows)
    cluster = clusters_of(rows, population)
    (theirs, once), pandas_time = timed(lambda: by_pandas(frame, chosen, cluster))

    def ours(threads: int) -> pl.DataFrame:
        return compute(rows, chosen, fit_population(rows, chosen, threads=threads), threads=threads)

    found, one_thread = timed(lambda: ours(1))
    worst = compare(found, theirs, chosen)
    _, several = timed(lambda: ours(threads))
    measured = {feature.formulas for feature in chosen.features if feature.formulas}
    all_measures = {f.formulas for f in whole.features if f.formulas and f.kind != "outlier"}
    times = len(all_measures) / len(measured)
    return {
        "features": len(chosen),
        "measures": len(measured),
        "largest_difference": worst,
        "pandas": {**pandas_time, "cpu_seconds_done_once": round(once, 2)},
        "ours_1_thread": one_thread,
        f"ours_{threads}_threads": several,
        "cpu_ratio_1_thread": round(pandas_time["cpu_seconds"] / one_thread["cpu_seconds"], 1),
        f"ratio_{threads}_threads": round(pandas_time["seconds"] / several["seconds"], 1),
        "pandas_whole_set_cpu_seconds": round(once + (pandas_time["cpu_seconds"] - once) * times, 1),
    }


def _as_pandas(rows: pl.DataFrame) -> pd.DataFrame:
    numeric = {name: rows[name].to_numpy() for name in NUMERIC_COLUMNS}
    return pd.DataFrame({name: numeric.get(name, rows[name].to_list()) for name in rows.columns})


def peak_memory() -> float:
    """Return the most memory that this process has had, in GB; without what its parent had, as Linux tells it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e6
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def compute_whole(rows: pl.DataFrame) -> int:
    """Compute every comparable feature on one thread, some measures at a time, and keep none."""
    chosen = slice_of(full(), None)
    canonical = rows_for(rows, chosen)
    population = fit_rows(canonical, chosen)
    by_measure: dict[tuple[str, ...], list[Feature]] = {}
    for feature in chosen.features:
        by_measure.setdefault(feature.formulas, []).append(feature)
    return sum(len(compute_columns(canonical, features, population)) for features in by_measure.values())


def write_whole(rows: pl.DataFrame, threads: int) -> dict[str, Any]:
    """Compute and write the whole set; return seconds, size on disk and peak memory of this process."""
    before = peak_memory()
    number, computing = timed(lambda: compute_whole(rows))
    with tempfile.TemporaryDirectory() as folder:
        table, told = timed(lambda: write_features(rows, full(), Path(folder), threads=threads))
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        peak = peak_memory()
        _, read = timed(lambda: table.matrix(table.names[:500]))
    return {
        "features": len(table.names),
        **told,
        "disk_gb": round(size / 1e9, 2),
        "memory_before_gb": round(before, 2),
        "peak_memory_gb": round(peak, 2),
        "computing_alone_1_thread": {"features": number, **computing},
        "read_500_features_seconds": read["seconds"],
    }


def main() -> None:
    """Measure both on some measures, then ours in whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--measures", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, help="a folder of lesions instead of made-up ones")
    parser.add_argument("--all-measures", action="store_true", help="run pandas on the whole set")
    parser.add_argument("--only-write", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    rows = open_lesions(given.data).read() if given.data else made_up(given.rows)
    if given.only_write:
        print(json.dumps(write_whole(rows, given.threads)))
        return
    told: dict[str, Any] = {"rows": len(rows), "patients": rows["patient_id"].n_unique()}
    told["beside_pandas"] = beside_pandas(rows, None if given.all_measures else given.measures, given.threads)
    command = [sys.executable, __file__, "--only-write", "--rows", str(given.rows), "--threads", str(given.threads)]
    command += ["--data", str(given.data)] if given.data else []
    told["whole"] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    theirs = told["beside_pandas"]["pandas_whole_set_cpu_seconds"]
    told["cpu_ratio_whole_set"] = round(theirs / told["whole"]["computing_alone_1_thread"]["cpu_seconds"], 1)
    print(json.dumps(told, indent=2))
    whole, size = told["whole"], f"{len(rows):,} lesions"
    features = f"{whole['computing_alone_1_thread']['features']:,} features of {size}"
    is_whole = len(rows) >= ROWS
    against = "pandas" if given.all_measures else f"pandas, from {given.measures} measures"
    tell_figures(
        [
            Figure(
                f"computing {features}, the processor's time",
                *(whole["computing_alone_1_thread"]["cpu_seconds"], "s", theirs, against),
                limit=theirs / FASTER if is_whole else None,
            ),
            Figure(f"computing and writing all {whole['features']:,} features of {size}", whole["seconds"], "s"),
            Figure(
                f"peak memory of computing and writing them, {size}",
                whole["peak_memory_gb"],
                "GB",
                limit=MOST_GB if is_whole else None,
            ),
        ]
    )


if __name__ == "__main__":
    main()
