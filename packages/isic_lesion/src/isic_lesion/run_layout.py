"""Where things lie in the folder of a whole run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["RunLayout"]


class RunLayout(NamedTuple):
    """The names below a run's folder.

    Args:
        folder: the run's.
    """

    folder: Path

    @property
    def recipe(self) -> Path:
        """The recipe, with every default written out (JSON)."""
        return self.folder / "recipe.json"

    @property
    def lesions(self) -> Path:
        """The training rows, typed, with the columns that were joined (Parquet)."""
        return self.folder / "data" / "train.parquet"

    @property
    def findings(self) -> Path:
        """What the check of the data found (JSON)."""
        return self.folder / "data" / "findings.json"

    @property
    def folds(self) -> Path:
        """Who is held out when (Parquet)."""
        return self.folder / "folds.parquet"

    @property
    def features(self) -> Path:
        """The features of the training rows, and the populations (a folder)."""
        return self.folder / "features"

    @property
    def feature_set(self) -> Path:
        """Which features they are (JSON)."""
        return self.folder / "feature_set.json"

    def population(self, fold: int | None) -> Path:
        """What was fitted across patients, on a round's training rows, or on all (None)."""
        return self.features / ("population-all.parquet" if fold is None else f"population-fold-{fold}.parquet")

    def model(self, name: str) -> Path:
        """A table model (a folder)."""
        return self.folder / "models" / name

    def oof(self, name: str) -> Path:
        """A table model's out-of-fold scores (Parquet)."""
        return self.model(name) / "oof.parquet"

    def image_model(self, name: str) -> Path:
        """An image model that the run trained (a folder)."""
        return self.folder / "image-models" / name

    @property
    def image_scores(self) -> Path:
        """The out-of-fold scores of all image models, given or the run's own (Parquet)."""
        return self.folder / "data" / "image-scores.parquet"

    def test_image_scores(self, name: str) -> Path:
        """The scores of the test lesions by an image model that the run trained (Parquet)."""
        return self.folder / "data" / "test-image-scores" / f"{name}.parquet"

    @property
    def stack(self) -> Path:
        """The weights, and the stacked out-of-fold scores (a folder)."""
        return self.folder / "stack"

    @property
    def weights(self) -> Path:
        """The stack itself (JSON)."""
        return self.stack / "stack.json"

    @property
    def stacked(self) -> Path:
        """The stack's own out-of-fold scores (Parquet)."""
        return self.stack / "scores.parquet"

    @property
    def report(self) -> Path:
        """What came out, for people (HTML)."""
        return self.folder / "report.html"

    @property
    def submission(self) -> Path:
        """The scores of the test lesions (CSV)."""
        return self.folder / "submission.csv"
