"""What both halves stand on: errors, artefacts, runs, the task engine, devices, models."""
