"""The commands of `crn`, a module each; `crn_hub.cli` gathers them."""
