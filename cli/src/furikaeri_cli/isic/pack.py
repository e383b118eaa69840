"""`isic pack`: a finished run as one file that scores lesions anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from furikaeri_cli.isic.predict import newest_run
from furikaeri_cli.options import Json, Quiet, Runs
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError

if TYPE_CHECKING:
    from isic_lesion.bundle.packing import Packed

__all__ = ["pack_cli", "pack_run"]


def pack_run(run: Path, out: Path, *, prove: bool = True, prove_on: Path | None = None, timeout: float = 900) -> Packed:
    """Pack a finished run, prove the bundle if asked, and only then write it.

    Args:
        run: the run's folder.
        out: the zip.
        prove: whether it is proved.
        prove_on: a folder that holds test-metadata.csv, and test-image.hdf5 where the run trained image models; None:
            made-up lesions.
        timeout: seconds that the proof's clean process may take.

    Raises:
        InputError: if the run is not finished or damaged, or the file cannot be written.
        WorkError: if the bundle fails its proof.
    """
    from isic_lesion.bundle.packing import pack
    from isic_lesion.bundle.proof import ProofConfig

    return pack(run, out, proof=ProofConfig(data=prove_on, timeout=timeout) if prove else None)


def pack_cli(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The zip to write, such as bundle.zip.")],
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="The folder of a finished `isic run`; else the newest below --runs."),
    ] = None,
    prove: Annotated[
        bool, typer.Option("--prove/--no-prove", help="Unpack it and let it score lesions in a clean process first.")
    ] = True,
    prove_on: Annotated[
        Path | None,
        typer.Option("--prove-on", metavar="FOLDER", help="Holds test-metadata.csv; else lesions are made up."),
    ] = None,
    timeout: Annotated[int, typer.Option("--timeout", min=1, help="Seconds that the clean process may take.")] = 900,
    runs: Runs = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pack a finished run as one zip that scores lesions offline, such as in a notebook on Kaggle.

    The zip holds the models that the run's inference uses, `predict.py`, the code it needs and a README. It is proved
    by unpacking it where there are only Python and the libraries it names, without a network: its scores there must
    be the run's own, to the bit. A zip that fails is not written. Unpacked, it is also what `isic predict --run` takes.
    This is no medical device, and the contest's data as a whole are CC-BY-NC.

    Examples:
        isic pack bundle.zip
        isic pack bundle.zip --run runs/mine --prove-on data
    """
    output = Output.choose(json=json, quiet=quiet)
    if prove_on is not None and not prove:
        raise InputError("--prove-on and --no-prove: a bundle is proved, or it is not", fix="Give one of the two")
    chosen = run or newest_run(runs)
    output.note(f"Packing {chosen}" + (", then proving it" if prove else ""))
    packed = pack_run(chosen, out, prove=prove, prove_on=prove_on, timeout=timeout)
    output.result(packed, _text(packed))


def _text(packed: Packed) -> str:
    networks = f" and {packed.networks} network{'s' if packed.networks > 1 else ''}" if packed.networks else ""
    lines = [
        f"{packed.file}: {packed.bytes / 1e6:.1f} MB, {packed.boosters} fitted models{networks} among {packed.files} "
        f"files, sha256 {packed.sha256}"
    ]
    if (proof := packed.proof) is not None:
        told = ", ".join(f"{name} {version}".strip() for name, version in proof.libraries.items())
        lines += [
            f"scored {proof.lesions:,} {'made-up ' if proof.made_up else ''}lesions in a clean process exactly as the "
            f"run does, {proof.unknown:,} of hospitals not trained on, in {proof.seconds:.1f} s",
            "no network wanted, no module from outside",
            f"libraries: {told}",
        ]
    else:
        lines.append("not proved")
    return "\n".join(lines)
