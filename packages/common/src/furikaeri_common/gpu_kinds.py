"""What GPUs of known kinds can do at most, and how long work that was not measured on one is reckoned to take.

Peaks are the makers' own: dense matrix products of float16 or bfloat16 summed in float32, memory, and its bandwidth,
from NVIDIA's data sheets of the T4, V100 (SXM2), P100 (which has no matrix units), L4, L40S, A10, A100 (40 and 80 GB,
SXM), H100 and H200 (SXM), Amazon's of the A10G, and NVIDIA's Ada whitepaper (RTX 4090). A sheet that gives figures
"with sparsity" gives twice the dense ones.

Work takes the longer of computing and reading (the roofline: Williams, Waterman & Patterson 2009), at the share of the
peak that real work reaches. The share is a guess with a wide range, so what comes of it is an estimate; a measured
throughput is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from furikaeri_common.planning import Amount

__all__ = ["GPU_KINDS", "SHARE", "GpuKind", "reckoned_note", "reckoned_seconds", "unfit_notes"]

SHARE = (0.15, 0.3, 0.5)
"""Which share of its peak a GPU reaches in work of this kind: at least, likely, at most.

Well-tuned training of large transformers reaches 0.38 to 0.57 of the peak (Chowdhery et al. 2022, "PaLM", Table 3);
forward passes of a few thousand tokens with weights that are unpacked from 4 bits, and small pictures, reach less.
"""

_TERA, _GIGA = 1e12, 1e9


class GpuKind(NamedTuple):
    """A kind of GPU.

    Args:
        flops: floating-point operations a second, at most.
        bandwidth: bytes a second that it reads, at most.
        memory: bytes that it has.
    """

    flops: float
    bandwidth: float
    memory: float


GPU_KINDS: Mapping[str, GpuKind] = {
    "t4": GpuKind(65 * _TERA, 320 * _GIGA, 16 * _GIGA),
    "p100": GpuKind(18.7 * _TERA, 732 * _GIGA, 16 * _GIGA),
    "v100": GpuKind(125 * _TERA, 900 * _GIGA, 16 * _GIGA),
    "l4": GpuKind(121 * _TERA, 300 * _GIGA, 24 * _GIGA),
    "a10": GpuKind(125 * _TERA, 600 * _GIGA, 24 * _GIGA),
    "a10g": GpuKind(70 * _TERA, 600 * _GIGA, 24 * _GIGA),
    "rtx4090": GpuKind(165.2 * _TERA, 1008 * _GIGA, 24 * _GIGA),
    "l40s": GpuKind(362 * _TERA, 864 * _GIGA, 48 * _GIGA),
    "a100": GpuKind(312 * _TERA, 1555 * _GIGA, 40 * _GIGA),
    "a100-80gb": GpuKind(312 * _TERA, 2039 * _GIGA, 80 * _GIGA),
    "h100": GpuKind(989.4 * _TERA, 3350 * _GIGA, 80 * _GIGA),
    "h200": GpuKind(989.4 * _TERA, 4800 * _GIGA, 141 * _GIGA),
}
"""By the name that options use."""


def reckoned_seconds(kind: GpuKind, *, flops: float, read: float = 0.0) -> Amount:
    """Return how long a piece of work is reckoned to take on a GPU.

    Args:
        kind: of GPU.
        flops: operations of the work, at least 0; a product of an m x k and a k x n matrix has 2mkn.
        read: bytes that it reads from the GPU's memory, at least 0.
    """
    if flops < 0 or read < 0:
        raise ValueError(f"expected flops and read >= 0, got {flops} and {read}")
    at_peak = max(flops / kind.flops, read / kind.bandwidth)
    least, likely, most = SHARE
    return Amount(at_peak / likely, at_peak / most, at_peak / least, "estimated")


def reckoned_note(kinds: Iterable[str], units: str) -> str:
    """Return the note that tells how work on kinds of GPU was reckoned.

    Args:
        kinds: their names, at least one.
        units: what a rate would count, such as "pairs".
    """
    least, likely, most = (f"{share:.0%}" for share in SHARE)
    return (
        f"reckoned: {', '.join(kinds)} by peak figures, at {likely} of them ({least} to {most}); a measured rate is "
        f"better: --throughput KIND={units.upper()}"
    )


def unfit_notes(held: Mapping[str, float], kinds: Iterable[str], fix: str) -> list[str]:
    """Return a note for each known kind of GPU that some models may not fit.

    Args:
        held: bytes that each model takes there with all that is computed, by its name.
        kinds: of device; those that are not known are passed over.
        fix: what to do then.
    """
    notes = []
    for kind in (one for one in kinds if one in GPU_KINDS):
        memory = GPU_KINDS[kind].memory
        large = [f"{name} ({size / 1e9:.3g} GB)" for name, size in held.items() if size > memory]
        if large:
            notes.append(f"too large: {', '.join(large)} may not fit the {memory / 1e9:.0f} GB of {kind}; {fix}")
    return notes
