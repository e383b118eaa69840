"""One HTML page about scores: how good they are, for whom, how sure that is, and which lesions to look at first."""

from isic_lesion.report.findings import Findings, find
from isic_lesion.report.inputs import ReportInputs
from isic_lesion.report.page import render_report, write_report

__all__ = ["Findings", "ReportInputs", "find", "render_report", "write_report"]
