"""Styles: what colours the regions of a layout have, class by class."""

from crn_hub.styles.choosing import choose_styles, styles_of
from crn_hub.styles.mixing import StyleMix
from crn_hub.styles.style import Style, check_styles, styles_from_config

__all__ = ["Style", "StyleMix", "check_styles", "choose_styles", "styles_from_config", "styles_of"]
