"""Skin lesion triage from 3D total body photography."""

from isic_lesion.metrics.ordering import auc, number_needed_to_treat, partial_auc, se_top_k

__all__ = ["auc", "number_needed_to_treat", "partial_auc", "se_top_k"]
