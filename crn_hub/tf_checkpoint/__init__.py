"""Checkpoints of the published TensorFlow code -> CRN, without TensorFlow."""

from crn_hub.tf_checkpoint.conversion import Plan, convert, plan_conversion

__all__ = ["Plan", "convert", "plan_conversion"]
