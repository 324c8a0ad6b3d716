"""A training run around its loop: arguments, preparation, stages, checkpoints, log and pictures."""
