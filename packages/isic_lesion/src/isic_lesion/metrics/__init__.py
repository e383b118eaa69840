"""How good scores are: their order, how sure that is, group by group, and as probabilities."""

from isic_lesion.metrics.ordering import auc, number_needed_to_treat, partial_auc, se_top_k

__all__ = ["auc", "number_needed_to_treat", "partial_auc", "se_top_k"]
