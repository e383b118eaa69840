"""Earlier contests' own files: each known by its header, told in this contest's words, one row an image."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from furikaeri_common.errors import InputError
from isic_lesion.data.schema import column, frame_schema
from isic_lesion.past.formats import FORMATS, PRECEDENCE, recognise
from isic_lesion.past.reading import EXTRA_COLUMNS, Past, empty_past, read_past
from isic_lesion.past.words import CODES, KINDS, SEXES, SITES

TRUTH_2016 = "ISIC_0000001,benign\nISIC_0000002,malignant\n"
TRUTH_2017 = (
    "image_id,melanoma,seborrheic_keratosis\nISIC_0000002,1.0,0.0\nISIC_0000003,0.0,1.0\nISIC_0000004,0.0,0.0\n"
)
ABOUT_2017 = "image_id,age_approximate,sex\nISIC_0000002,55,male\nISIC_0000003,unknown,unknown\n"
TRUTH_2018 = (
    "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_0024306,0.0,1.0,0.0,0.0,0.0,0.0,0.0\n"
    "ISIC_0024307,0.0,0.0,0.0,1.0,0.0,0.0,0.0\n"
)
LESIONS_2018 = (
    "image,lesion_id,diagnosis_confirm_type\nISIC_0024306,HAM_0000550,follow-up\nISIC_0024307,HAM_0003577,histology\n"
)
TRUTH_2019 = (
    "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\nISIC_0024307,0,0,0,0,0,0,0,1,0\n"
    "ISIC_0000002_downsampled,1,0,0,0,0,0,0,0,0\nISIC_0000009,0,0,0,0,0,0,0,0,1\n"
)
ABOUT_2019 = (
    "image,age_approx,anatom_site_general,lesion_id,sex\nISIC_0024307,85,palms/soles,,female\n"
    "ISIC_0000002_downsampled,60,anterior torso,MSK4_0000001,\n"
)
TRUTH_2020 = (
    "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target\n"
    "ISIC_0100001,IP_1,male,45.0,torso,unknown,benign,0\n"
    "ISIC_0100002,IP_1,male,NA,head/neck,melanoma,malignant,1\n"
    "ISIC_0100003,IP_2,,50.0,,atypical melanocytic proliferation,benign,0\n"
)
HAM10000 = (
    "lesion_id,image_id,dx,dx_type,age,sex,localization\nHAM_0003577,ISIC_0024307,akiec,histo,85.0,female,hand\n"
    "HAM_0000550,ISIC_0024306,nv,follow_up,,unknown,back\n"
)
ALL = {
    "a.csv": TRUTH_2016,
    "b.csv": TRUTH_2017,
    "c.csv": ABOUT_2017,
    "d.csv": TRUTH_2018,
    "e.csv": LESIONS_2018,
    "f.csv": TRUTH_2019,
    "g.csv": ABOUT_2019,
    "h.csv": TRUTH_2020,
    "i.csv": HAM10000,
}


@pytest.fixture
def read(tmp_path: Path):
    """Write files of these texts and read them as the past."""

    def call(*texts: str) -> Past:
        paths = [tmp_path / f"{number}.csv" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return read_past(paths)

    return call


def rows_of(past: Past, *columns: str) -> dict[str, tuple[object, ...]]:
    return {row[0]: row[1:] for row in past.frame.select("isic_id", *columns).rows()}


def test_the_words_are_this_contests() -> None:
    assert {site for site in SITES.values() if site} == set(column("anatom_site_general").categories)
    assert {sex for sex in SEXES.values() if sex} == set(column("sex").categories)
    assert {kind for kind in KINDS.values() if kind} == set(column("iddx_1").categories)
    assert set(CODES.values()) <= set(KINDS)
    assert {known.contest for known in FORMATS} == set(PRECEDENCE)


def test_each_format_alone(read) -> None:
    told = ("target", "iddx_1", "diagnosis", "source")
    assert rows_of(read(TRUTH_2016), *told) == {
        "ISIC_0000001": (0, "Benign", "benign", "ISIC 2016"),
        "ISIC_0000002": (1, "Malignant", "melanoma", "ISIC 2016"),
    }
    assert rows_of(read(TRUTH_2016.replace("benign", "0.0").replace("malignant", "1.0")), *told[:1]) == {
        "ISIC_0000001": (0,),
        "ISIC_0000002": (1,),
    }
    assert rows_of(read(TRUTH_2017, ABOUT_2017), "target", "diagnosis", "age_approx", "sex") == {
        "ISIC_0000002": (1, "melanoma", 55.0, "male"),
        "ISIC_0000003": (0, "seborrheic keratosis", None, None),
        "ISIC_0000004": (0, "nevus", None, None),
    }
    assert rows_of(read(TRUTH_2018, LESIONS_2018), "target", "iddx_1", "lesion_id") == {
        "ISIC_0024306": (0, "Benign", "HAM_0000550"),
        "ISIC_0024307": (0, "Indeterminate", "HAM_0003577"),
    }
    past = read(TRUTH_2019.replace("ISIC_0024307", "ISIC_0024307.jpg"), ABOUT_2019)
    assert rows_of(past, "target", "sex", "anatom_site_general", "site", "lesion_id") == {
        "ISIC_0000002": (1, None, "anterior torso", "anterior torso", "MSK4_0000001"),
        "ISIC_0024307": (1, "female", None, "palms/soles", None),
    }
    assert past.unlabelled == 1
    assert rows_of(read(TRUTH_2020), "target", "iddx_1", "patient_id", "age_approx", "anatom_site_general") == {
        "ISIC_0100001": (0, "Benign", "IP_1", 45.0, None),
        "ISIC_0100002": (1, "Malignant", "IP_1", None, "head/neck"),
        "ISIC_0100003": (0, "Indeterminate", "IP_2", 50.0, None),
    }
    assert rows_of(read(HAM10000), "iddx_1", "age_approx", "sex", "anatom_site_general", "site") == {
        "ISIC_0024306": ("Benign", None, None, "posterior torso", "back"),
        "ISIC_0024307": ("Indeterminate", 85.0, "female", "upper extremity", "hand"),
    }


def test_a_folder_is_searched_and_an_image_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, text in ALL.items():
        (tmp_path / "deep" / name).write_text(text)
    (tmp_path / "deep" / "f.csv").unlink()
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(TRUTH_2019.encode()))
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff\x00")
    (tmp_path / "readme.txt").write_text("image,MEL")
    past = read_past([tmp_path])
    assert [path.name for path in past.unknown] == ["empty.csv", "notes.csv", "picture.csv"]
    assert len(past.files) == len(ALL)
    assert sum(file.rows for file in past.files) == 21
    assert rows_of(past, "source", "iddx_1", "lesion_id", "age_approx", "anatom_site_general", "site") == {
        "ISIC_0000001": ("ISIC 2016", "Benign", None, None, None, None),
        "ISIC_0000002": ("ISIC 2019", "Malignant", "MSK4_0000001", 60.0, "anterior torso", "anterior torso"),
        "ISIC_0000003": ("ISIC 2017", "Benign", None, None, None, None),
        "ISIC_0000004": ("ISIC 2017", "Benign", None, None, None, None),
        "ISIC_0024306": ("HAM10000", "Benign", "HAM_0000550", None, "posterior torso", "back"),
        # 2019 knows no better place than palms/soles, HAM10000 does.
        "ISIC_0024307": ("ISIC 2019", "Malignant", "HAM_0003577", 85.0, "upper extremity", "palms/soles"),
        "ISIC_0100001": ("ISIC 2020", "Benign", None, 45.0, None, "torso"),
        "ISIC_0100002": ("ISIC 2020", "Malignant", None, None, "head/neck", "head/neck"),
        "ISIC_0100003": ("ISIC 2020", "Indeterminate", None, 50.0, None, None),
    }
    assert past.duplicates == 5
    assert past.unlabelled == 1
    assert past.disagreements.rows() == [
        ("ISIC_0024307", "ISIC 2019", "squamous cell carcinoma", "Malignant"),
        ("ISIC_0024307", "HAM10000", "actinic keratosis or Bowen's disease", "Indeterminate"),
        ("ISIC_0024307", "ISIC 2018", "actinic keratosis or Bowen's disease", "Indeterminate"),
    ]
    again = read_past([tmp_path / "deep", tmp_path / "f.csv.gz", tmp_path / "deep" / "a.csv"])
    assert again.frame.equals(past.frame)


def test_the_frame_has_this_contests_columns(read) -> None:
    frame = read(TRUTH_2016).frame
    assert dict(frame.schema) == {**frame_schema("train"), **dict.fromkeys(EXTRA_COLUMNS, pl.String())}
    assert frame["tbp_lv_A"].is_null().all()
    assert empty_past().frame.schema == frame.schema
    assert empty_past().disagreements.schema == read(TRUTH_2016).disagreements.schema


def test_repeats_are_left_out(read) -> None:
    pairs = "image_name_1,image_name_2\nISIC_0100001,ISIC_0100003\nISIC_0100003,ISIC_0100001\nISIC_9,ISIC_8\n"
    past = read(TRUTH_2020, pairs)
    assert past.frame["isic_id"].to_list() == ["ISIC_0100001", "ISIC_0100002"]
    assert (past.repeats, past.files[1].what, past.files[1].rows) == (1, "images that repeat others", 3)
    with pytest.raises(InputError, match="tells of no image by itself"):
        read(pairs)


def test_test_sets_have_no_truth(read) -> None:
    of_2020 = "image,patient,age_approx,anatom_site_general,sex\nISIC_0200001,IP_5,40,back,male\n"
    kaggles = "image_name,patient_id,sex,age_approx,anatom_site_general_challenge\nISIC_0200001,IP_5,male,40,back\n"
    for text in (of_2020, kaggles):
        with pytest.raises(InputError, match="tells no truth"):
            read(text)
        assert read(text, TRUTH_2020).unlabelled == 1
    path = read(of_2020, TRUTH_2016).files[0].path
    past = read_past([path, path.with_name("1.csv")], is_test=True)
    assert rows_of(past, "source", "target", "patient_id", "anatom_site_general") == {
        "ISIC_0000001": ("ISIC 2016", 0, None, None),
        "ISIC_0000002": ("ISIC 2016", 1, None, None),
        "ISIC_0200001": ("ISIC 2020", None, "IP_5", "posterior torso"),
    }
    assert past.unlabelled == 1
    assert read_past([path], is_test=True).frame["target"].null_count() == 1


def test_words_that_nobody_knows_are_told(read) -> None:
    past = read(HAM10000.replace("hand", "nose").replace("back", "Nose").replace("female", "F"))
    assert past.unmapped == (
        "sex 'F' (in 1 of the rows)",
        "site 'Nose' (in 1 of the rows)",
        "site 'nose' (in 1 of the rows)",
    )
    assert past.frame["anatom_site_general"].is_null().all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("isic_id,target\nISIC_1,0\n", "0.csv: is no file of an earlier contest"),
        ("", "0.csv: is empty"),
        (
            TRUTH_2018.replace("1.0", "0.0", 1),
            r"line 2 \(ISIC_0024306\): expected one diagnosis that the contest knows",
        ),
        (TRUTH_2018.replace("0.0,1.0", "1.0,1.0", 1), r"line 2 \(ISIC_0024306\): expected one diagnosis"),
        (TRUTH_2018.replace("1.0", "x"), r"expected one diagnosis that the contest knows \(2 rows in all\)"),
        (TRUTH_2017.replace("1.0,0.0", "1.0,1.0"), r"line 2 \(ISIC_0000002\): expected one diagnosis"),
        (TRUTH_2016 + "ISIC_0000003,perhaps\n", r"line 3 \(ISIC_0000003\): expected one diagnosis"),
        (HAM10000.replace("akiec", "wart"), r"line 2 \(ISIC_0024307\): expected one diagnosis"),
        (HAM10000.replace(",akiec", ","), r"line 2 \(ISIC_0024307\): expected one diagnosis"),
        (HAM10000.replace("85.0", "old"), r"line 2 \(ISIC_0024307\): expected an age from 0 to 120, got 'old'"),
        (HAM10000.replace("85.0", "850"), "expected an age from 0 to 120, got '850'"),
        (HAM10000.replace("85.0", "NaN"), "expected an age from 0 to 120, got 'NaN'"),
        (HAM10000.replace("ISIC_0024306", ""), "line 3: names no image"),
        (HAM10000.replace("ISIC_0024306", "ISIC_0024307"), r"line 3 \(ISIC_0024307\): comes more than once"),
        (TRUTH_2020.replace("benign,0\nISIC_0100002", "benign,2\nISIC_0100002"), r"line 2 \(ISIC_0100001\): expected"),
        (TRUTH_2020.replace(",malignant,1", ",malignant,1,5"), "line 3: 9 fields, but the header has 8"),
        (TRUTH_2020[:-30], "line 4: 6 fields, but the header has 8"),
        (ABOUT_2019, "tells no truth. Give that contest's ground truth too"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(read, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        read_past([tmp_path / "none.csv"])
    with pytest.raises(InputError, match="holds no file of an earlier contest"):
        read_past([tmp_path])
    with pytest.raises(InputError, match="nothing: holds no file"):
        read_past([])


def test_strangers_are_not_recognised() -> None:
    for header in ([], ["image"], ["ISIC_0000001", "nevus"], list(frame_schema("train")), ["isic_id", "benign"]):
        assert recognise(header) is None


def test_real_files(real_data: Path) -> None:
    past = read_past([real_data / "isic" / "past"])
    assert len(past.frame) == 25_331 + 33_126
    assert past.duplicates == 10_015
    assert past.disagreements["isic_id"].n_unique() == 197
    assert (past.unlabelled, past.unmapped, past.unknown) == (0, (), ())
    counts = dict(past.frame.group_by("source").agg(pl.col("target").sum().cast(pl.Int64)).rows())
    assert counts == {"ISIC 2019": 4522 + 3323 + 628, "ISIC 2020": 584}
    # 2019 leaves the site of HAM10000's images as it was, only coarser.
    ham = past.frame.filter(pl.col("lesion_id").str.starts_with("HAM"))
    assert len(ham) == 10_015
