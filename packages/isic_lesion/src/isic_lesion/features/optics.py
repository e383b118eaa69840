"""How much light a lesion takes away beside the skin around it, from its colours.

The columns hold CIELAB colours of the lesion (L, A, B) and of the skin (Lext, Aext, Bext). Their light is
X, Y, Z = 0.9505 ((L + 16) / 116 + A / 500)^3, ((L + 16) / 116)^3, 1.0888 ((L + 16) / 116 - B / 200)^3 (CIE 15, white
D65; the straight piece near black is left out, for no skin is as dark), and sRGB's matrix makes linear red, green and
blue of it (IEC 61966-2-1).

The optical density ln(skin / lesion) of a band grows with the pigment in the light's way (Beer and Lambert): melanin
takes light from all bands and most from blue, blood most from green. So green less red is a redness index, as skin
reflectance meters have it (B. Diffey, R. Oliver and P. Farr, "A portable instrument for quantifying erythema induced by
ultraviolet radiation", British Journal of Dermatology 111, 1984), and blue less green tells melanin and keratin.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["OPTICS"]


def _linear_light(of: str) -> tuple[str, str, str]:
    """Return the formulas of linear red, green and blue of the lesion ("") or the skin ("ext")."""
    middle = f"(L{of} + 16) / 116"
    roots = f"({middle} + A{of} / 500)", f"({middle})", f"({middle} - B{of} / 200)"
    x, y, z = (f"{root} * {root} * {root}" for root in roots)
    return (
        f"(3.0800 * {x} - 1.5372 * {y} - 0.5429 * {z})",
        f"(1.8758 * {y} - 0.9209 * {x} + 0.0452 * {z})",
        f"(0.0529 * {x} - 0.2040 * {y} + 1.1509 * {z})",
    )


_RED, _GREEN, _BLUE = _linear_light("")
_SKIN_RED, _SKIN_GREEN, _SKIN_BLUE = _linear_light("ext")

OPTICS: Mapping[str, str] = {
    "density_red": f"log({_SKIN_RED}) - log({_RED})",
    "density_green": f"log({_SKIN_GREEN}) - log({_GREEN})",
    "density_blue": f"log({_SKIN_BLUE}) - log({_BLUE})",
    "density_green_less_red": f"log({_SKIN_GREEN}) - log({_GREEN}) - log({_SKIN_RED}) + log({_RED})",
    "density_blue_less_green": f"log({_SKIN_BLUE}) - log({_BLUE}) - log({_SKIN_GREEN}) + log({_GREEN})",
    "redness_index": f"log({_RED}) - log({_GREEN})",
    "redness_index_skin": f"log({_SKIN_RED}) - log({_SKIN_GREEN})",
    "yellowness_index": f"log({_GREEN}) - log({_BLUE})",
    "yellowness_index_skin": f"log({_SKIN_GREEN}) - log({_SKIN_BLUE})",
    "hue_shift_angle": "atan2(deltaB, deltaA)",
    "darkening_angle": "atan2(-deltaL, deltaA)",
}
"""Name -> formula of every measure."""
