"""From pairs of keyword and question to P(yes): prompts, models that label, shards, calibration, gold sets."""
