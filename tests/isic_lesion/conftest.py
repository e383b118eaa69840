"""Small folders in the contest's layout, made up but obeying all that real rows obey."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from isic_lesion.data.images import write_images
from isic_lesion.data.schema import HOSPITALS, columns_of

SITES = {"Torso Back": "posterior torso", "Left Arm": "upper extremity", "Head & Neck": "head/neck", "Unknown": None}


def lesions_table(number: int, split: str = "train", seed: int = 0) -> pl.DataFrame:
    """Return a table that nothing is wrong with; test tables have other lesions and patients than training ones."""
    rng = np.random.default_rng([seed, split == "test"])
    first = 1_000_000 if split == "train" else 2_000_000
    patient = np.arange(number) // 3
    a, aext, b, bext = (rng.uniform(low, low + 5, number) for low in (18, 13, 26, 24))
    light, lightext = rng.uniform(35, 45, number), rng.uniform(50, 55, number)
    delta_l, delta_b = light - lightext, b - bext
    long, minor = rng.uniform(3, 5, number), rng.uniform(2, 2.9, number)
    area = 0.97 * np.pi / 4 * long * minor
    perimeter = rng.uniform(10, 12, number)
    ratio = perimeter**2 / area
    symmetry = rng.uniform(0.2, 0.4, number)
    color, radial = rng.uniform(0.5, 1.5, number), rng.uniform(0.5, 1.5, number)
    delta_lb = np.hypot(delta_l, delta_b)
    simple = np.resize(np.array(list(SITES), dtype=object), number)
    malignant = np.arange(number) % 5 == 1
    texts = {
        "isic_id": [f"ISIC_{first + k}" for k in range(number)],
        "patient_id": [f"IP_{first + k}" for k in patient],
        "sex": [("female", "male", None)[k % 3] for k in patient],
        "anatom_site_general": [SITES[name] for name in simple],
        "image_type": ["TBP tile: close-up"] * number,
        "tbp_tile_type": ["3D: XP"] * number,
        "tbp_lv_location": simple.tolist(),
        "tbp_lv_location_simple": simple.tolist(),
        "attribution": [HOSPITALS[k % 7] for k in patient],
        "copyright_license": ["CC-BY"] * number,
        "lesion_id": [f"IL_{first + k}" if bad else None for k, bad in enumerate(malignant)],
        "iddx_full": ["Malignant::Melanoma, NOS" if bad else "Benign" for bad in malignant],
        "iddx_1": ["Malignant" if bad else "Benign" for bad in malignant],
        "iddx_2": ["Melanoma, NOS" if bad else None for bad in malignant],
    }
    numbers = {
        "target": malignant.astype(int),
        "age_approx": [(50.0, 65.0, None)[k % 3] for k in patient],
        "clin_size_long_diam_mm": long,
        "tbp_lv_A": a,
        "tbp_lv_Aext": aext,
        "tbp_lv_B": b,
        "tbp_lv_Bext": bext,
        "tbp_lv_C": np.hypot(a, b),
        "tbp_lv_Cext": np.hypot(aext, bext),
        "tbp_lv_H": np.degrees(np.arctan2(b, a)),
        "tbp_lv_Hext": np.degrees(np.arctan2(bext, aext)),
        "tbp_lv_L": light,
        "tbp_lv_Lext": lightext,
        "tbp_lv_areaMM2": area,
        "tbp_lv_area_perim_ratio": ratio,
        "tbp_lv_color_std_mean": color,
        "tbp_lv_deltaA": a - aext,
        "tbp_lv_deltaB": delta_b,
        "tbp_lv_deltaL": delta_l,
        "tbp_lv_deltaLB": delta_lb,
        "tbp_lv_deltaLBnorm": 5.68 * delta_lb / np.sqrt(lightext),
        "tbp_lv_eccentricity": np.sqrt(1 - (minor / long) ** 2),
        "tbp_lv_minorAxisMM": minor,
        "tbp_lv_nevi_confidence": rng.uniform(0, 1, number) ** 40 * 100,
        "tbp_lv_norm_border": 0.173 * ratio + 7.58 * symmetry - 2.17,
        "tbp_lv_norm_color": 1.26 * color + 1.63 * radial,
        "tbp_lv_perimeterMM": perimeter,
        "tbp_lv_radial_color_std_max": radial,
        "tbp_lv_stdL": rng.uniform(1, 4, number),
        "tbp_lv_stdLExt": rng.uniform(1, 4, number),
        "tbp_lv_symm_2axis": symmetry,
        "tbp_lv_symm_2axis_angle": rng.integers(0, 36, number) * 5,
        "tbp_lv_x": rng.uniform(-300, 300, number),
        "tbp_lv_y": rng.uniform(200, 1500, number),
        "tbp_lv_z": rng.uniform(-100, 100, number),
        "tbp_lv_dnn_lesion_confidence": rng.uniform(90, 100, number),
    }
    names = [column.name for column in columns_of(split)]
    empty = {name: pl.Series([None] * number, dtype=pl.String) for name in names}
    return pl.DataFrame({**empty, **texts, **numbers}).select(names)


def jpeg(side: int = 60, seed: int = 0, mode: str = "RGB", height: int | None = None) -> bytes:
    """Return a JPEG of random pixels."""
    shape = (height or side, side, 3) if mode == "RGB" else (height or side, side)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels, mode="RGB" if mode == "RGB" else "L").save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def make_table() -> Callable[..., pl.DataFrame]:
    """Return the maker of sound tables: `make_table(number, split)`."""
    return lesions_table


@pytest.fixture(scope="session")
def make_jpeg() -> Callable[..., bytes]:
    """Return the maker of JPEGs: `make_jpeg(side, seed, mode, height)`."""
    return jpeg


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a table, and images of its lesions, in the contest's layout."""

    def write(table: pl.DataFrame | None = None, split: str = "train", *, images: bool = True) -> Path:
        table = lesions_table(12, split) if table is None else table
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        table.write_csv(folder / f"{split}-metadata.csv")
        if images:
            ids = table["isic_id"].drop_nulls().unique(maintain_order=True)
            write_images(folder / f"{split}-image.hdf5", ((name, jpeg(seed=k)) for k, name in enumerate(ids)))
        return folder

    return write
