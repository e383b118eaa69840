"""What a bundle says of itself: its README, its NOTICE, and which libraries it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["NOTICE", "readme_of"]

NOTICE = """\
This is no medical device. It was made for a contest and has not been tested on patients in care. Its scores are places
in an order, not probabilities, and must not decide what is done about a lesion.

The models were trained on lesions of the International Skin Imaging Collaboration. The data of the ISIC 2024 contest
(SLICE-3D) as a whole are CC-BY-NC: they, and what is made of them, may not be used commercially, and their source must
be named. Single lesions have licences of their own: CC-BY, CC-BY-NC or CC-0. Other data that these models were trained
on, and weights that image models began with, have the licences under which they came.

The source files are Furikaeri's, under the Apache License 2.0: https://www.apache.org/licenses/LICENSE-2.0
"""

_README = """\
# {title}

Scores skin lesions by the {looks_at} of a 3D total body photograph. Everything it needs lies in this folder, but for
Python {python} and the libraries below. It asks nothing of a network, and writes nothing into this folder.

**This is no medical device.** See NOTICE, also for the licence.

## In a notebook on Kaggle, without the internet

Upload the zip as a data set, add it and the contest's data to the notebook, and run:

    import sys
    sys.path.insert(0, "/kaggle/input/NAME_OF_THE_DATA_SET")  # the folder that holds predict.py
    from predict import main
    main({arguments})

It reads `{data_folder}` and writes `submission.csv`.

## Anywhere else

    python predict.py DATA_FOLDER --out submission.csv{options}

DATA_FOLDER holds {files} in the contest's form{no_images}. `python predict.py --help` tells
the rest. `isic predict DATA_FOLDER --run THIS_FOLDER` does the same.
{pictures}{wants}
## Libraries

{proved}

| library | at least | {column} |
| --- | --- | --- |
{libraries}

## What is in it

{models}

Lesions of other hospitals than the following are scored by the models that do not look at the hospital.

{hospitals}
"""

_PICTURES = """
Image models look at the crops, on a GPU where there is one. With `main(readers=4)`, or `--readers 4`, four processes
decode them. A damaged crop stops it; with `main(on_bad="skip")`, or `--on-bad skip`, the other models score its lesion.
"""

_WANTS = """
These models look at more than the table. {what}
"""


def readme_of(
    *,
    title: str,
    proved: bool,
    python: str,
    libraries: Iterable[tuple[str, str, str]],
    models: Iterable[tuple[str, str, int]],
    hospitals: Iterable[str],
    image_models: Sequence[str],
    networks: Sequence[str],
    past: bool,
    data_folder: str,
) -> str:
    """Return a bundle's README.

    Args:
        title: a line.
        proved: whether the bundle scored lesions in a clean process before it was written.
        python: the least version.
        libraries: name, least version and the version that was there.
        models: name, library and number of fits.
        hospitals: those that all models have seen.
        image_models: whose scores are wanted.
        networks: the image models that are in it.
        past: whether files of earlier contests are wanted.
        data_folder: where the contest's data lie on Kaggle.
    """
    given: Mapping[str, bool] = {
        'image_scores=["scores.parquet"]': bool(image_models),
        'past=["FOLDER_OF_EARLIER_CONTESTS"]': past,
    }
    what = []
    if image_models:
        what.append(f"Give the scores of the image models {', '.join(image_models)} for the same lesions.")
    if past:
        what.append("Give the files of earlier contests that the run was given.")
    return _README.format(
        title=title,
        looks_at="table and the crops" if networks else "table",
        files="`test-metadata.csv` and `test-image.hdf5`" if networks else "`test-metadata.csv`",
        no_images="" if networks else "; images are not looked at",
        python=f"{python} or later",
        arguments=", ".join(name for name, is_given in given.items() if is_given),
        data_folder=data_folder,
        options=" --image-scores scores.parquet" * bool(image_models) + " --past FOLDER" * past,
        pictures=_PICTURES if networks else "",
        wants=_WANTS.format(what=" ".join(what)) if what else "",
        proved=(
            "Before it was written, this bundle scored lesions in a process that had nothing else and no network, and\n"
            "gave the run's own scores to the bit. That was with these versions:"
            if proved
            else "This bundle was packed with these versions. It was not proved, as `isic pack` otherwise does."
        ),
        column="proved with" if proved else "packed with",
        libraries="\n".join(f"| {name} | {least} | {version} |" for name, least, version in libraries),
        models="\n".join(
            f"- {name}: {library}, {count} {'fit' if count == 1 else 'fits'}" for name, library, count in models
        ),
        hospitals="\n".join(f"- {name}" for name in sorted(hospitals)) or "- (none)",
    )
