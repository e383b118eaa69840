"""The demo's second half: a made-up folder of lesions, from raw data to a submission and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from furikaeri_cli.isic.run import Ran

__all__ = ["triage_made_up_lesions"]

LESIONS = 3000
PATIENTS = 60
MALIGNANT_SHARE = 0.03
TEST_LESIONS = 300


def triage_made_up_lesions(output: Output, *, runs: Path, seed: int) -> Ran:
    """Make a data folder up, with pictures, and run the recipe `demo` on it.

    Args:
        output: who is told.
        runs: where the data and the run are kept.
        seed: of the data.

    Returns:
        The run.
    """
    from furikaeri_cli.isic.data_synth import synth
    from furikaeri_cli.isic.run import Given, run_recipe
    from isic_lesion.recipe import read_recipe
    from isic_lesion.synthetic.folder import FolderConfig

    config = FolderConfig(
        rows=LESIONS,
        patients=PATIENTS,
        malignant_share=MALIGNANT_SHARE,
        test_rows=TEST_LESIONS,
        test_patients=8,
        seed=seed,
    )
    output.note(f"\n3. Skin lesions: {LESIONS:,} made up, with pictures, and {TEST_LESIONS} more to score")
    data = synth(runs / f"made-up-lesions-{seed}", config, workers=1, output=output).folder
    ran = run_recipe(read_recipe("demo"), Given(data, data), runs=runs, workers=0, output=output)
    for record in ran.stages:
        if record.name.startswith("model ") and record.facts["pauc"] is not None:
            output.show(f"   {record.name}: pAUC {record.facts['pauc']:.4f}, AUC {record.facts['auc']:.4f}")
    output.show(f"   their stack: pAUC {ran.pauc:.4f} on lesions that were held out (chance 0.02, perfect 0.2)")
    return ran
