"""Skin lesion triage from 3D total body photography."""
