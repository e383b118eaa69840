"""Which lesions are held out together, and when."""

from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.folds.files import read_folds, write_folds

__all__ = ["Folds", "assign_hospital_folds", "assign_patient_folds", "read_folds", "write_folds"]
