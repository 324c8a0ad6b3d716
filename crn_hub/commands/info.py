"""`crn info`: a model on one screen."""

from crn_hub.box import BOX


def info(model: str, /) -> None:
    """Show what a model is: classes, size, parameters, arithmetic, training record and licence.

    Example: crn info org/crn-cityscapes

    Parameters
    ----------
    model
        A folder, a Hub id, or "box" for the model that comes with the package.
    """
    from crn_hub.model_summary import print_info  # takes seconds, and --help doesn't need it
    from crn_hub.networks.hub_model import HubModel

    print_info(None if model == BOX else model, HubModel.from_pretrained(model))
