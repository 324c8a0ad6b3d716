"""Measures of photographs made from layouts: how realistic, faithful and diverse they are."""
