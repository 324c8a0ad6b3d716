"""What surrounds the steps of a training run: its stages, its checkpoints, its log and pictures."""
