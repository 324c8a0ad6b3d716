"""Measures of photographs made from layouts: how real, how faithful, how diverse."""
