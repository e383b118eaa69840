"""The words of earlier contests, and what they mean in this contest's categories."""

from __future__ import annotations

__all__ = ["CODES", "KINDS", "SEXES", "SITES"]

CODES = {
    "AK": "actinic keratosis",
    "AKIEC": "actinic keratosis or Bowen's disease",
    "BCC": "basal cell carcinoma",
    "BKL": "benign keratosis",
    "DF": "dermatofibroma",
    "MEL": "melanoma",
    "NV": "nevus",
    "SCC": "squamous cell carcinoma",
    "UNK": "unknown",
    "VASC": "vascular lesion",
}
"""What the contests of 2018 and 2019 and HAM10000 abbreviate."""

KINDS = {
    "actinic keratosis": "Indeterminate",
    "actinic keratosis or Bowen's disease": "Indeterminate",
    "atypical melanocytic proliferation": "Indeterminate",
    "basal cell carcinoma": "Malignant",
    "benign": "Benign",
    "benign keratosis": "Benign",
    "cafe-au-lait macule": "Benign",
    "dermatofibroma": "Benign",
    "lentigo NOS": "Benign",
    "lichenoid keratosis": "Benign",
    "melanoma": "Malignant",
    "nevus": "Benign",
    "seborrheic keratosis": "Benign",
    "solar lentigo": "Benign",
    "squamous cell carcinoma": "Malignant",
    "unknown": None,
    "vascular lesion": "Benign",
}
"""What a diagnosis amounts to, as this contest's iddx_1 has it; None: nothing follows from it."""

SEXES = {"female": "female", "male": "male", "unknown": None}
"""The contests' words for sex -> this contest's."""

SITES = {
    "abdomen": "anterior torso",
    "acral": None,  # hands or feet
    "anterior torso": "anterior torso",
    "back": "posterior torso",
    "chest": "anterior torso",
    "ear": "head/neck",
    "face": "head/neck",
    "foot": "lower extremity",
    "genital": None,
    "hand": "upper extremity",
    "head/neck": "head/neck",
    "lateral torso": None,
    "lower extremity": "lower extremity",
    "neck": "head/neck",
    "oral/genital": None,
    "palms/soles": None,  # an upper extremity or a lower one
    "posterior torso": "posterior torso",
    "scalp": "head/neck",
    "torso": None,  # this contest tells front from back
    "trunk": None,
    "unknown": None,
    "upper extremity": "upper extremity",
}
"""The contests' words for a site -> this contest's anatom_site_general; None where it has no such place."""
