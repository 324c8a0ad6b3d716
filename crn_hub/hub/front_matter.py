"""The front matter of a model card, by which the Hub sorts and finds models.

Its fields are described at https://huggingface.co/docs/hub/model-cards.
"""

from huggingface_hub import EvalResult, ModelCardData

from crn_hub.hub.training_summary import TrainingSummary, slug

TAGS = ("arxiv:1707.09405", "semantic-image-synthesis")

# What the Hub accepts as `license` (https://huggingface.co/docs/hub/repositories-licenses); all else is "other".
HUB_LICENSES = frozenset(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma unknown other
    """.split()  # noqa: SIM905 - ninety quoted strings read worse
)


def front_matter(training: TrainingSummary, model_name: str, paper: str) -> str:
    """The front matter as YAML, without the lines of dashes around it.

    Args:
        training: what the training record says.
        model_name: the name under which results are listed.
        paper: the address of the paper that describes such networks.
    """
    license_id, license_name = training.license.lower(), None
    # Terms of its own, of whatever stage of training, are what people must know first; the card's text names all.
    names = filter(None, (training.license.lower(), *map(str.lower, training.earlier_licenses)))
    if of_their_own := [name for name in names if name not in HUB_LICENSES]:
        license_id, license_name = "other", slug(of_their_own[0])
    results = _results(training)
    data = ModelCardData(
        library_name="crn_hub",
        pipeline_tag="image-to-image",
        tags=list(dict.fromkeys([*TAGS, *_paper_tags(paper)])),
        license=license_id or None,
        license_name=license_name,
        datasets=[training.hub_dataset] if training.hub_dataset else None,
        model_name=model_name if results else None,
        eval_results=results or None,
    )
    return str(data.to_yaml())


def _results(training: TrainingSummary) -> list[EvalResult]:
    """The validation loss and the measures of evaluations, as the Hub lists results."""
    results = []
    if training.validation_loss is not None and training.dataset:
        results.append(
            EvalResult(
                task_type="image-to-image",
                dataset_name=training.dataset,
                dataset_type=training.hub_dataset or slug(training.dataset),
                metric_type="loss",
                metric_name="Calibrated perceptual loss on held-out rows (lower is better; comparable only between "
                "runs with the same loss weights)"
                if training.loss_weights
                else "Training loss on held-out rows (lower is better; comparable only between runs of one system)",
                metric_value=float(f"{training.validation_loss:.4g}"),
            )
        )
    results += [
        EvalResult(
            task_type="image-to-image",
            dataset_name=evaluation.dataset,
            dataset_type=evaluation.hub_dataset or slug(evaluation.dataset),
            dataset_config=evaluation.part or None,  # without it the Hub counts two parts as one data set
            dataset_split=evaluation.split or None,
            metric_type=measure.type,
            metric_name=measure.name,
            metric_value=float(f"{measure.value:.4g}"),
            metric_args=measure.conditions or None,
        )
        for evaluation in training.evaluations
        for measure in evaluation.measures
        if evaluation.dataset
    ]
    return results


def _paper_tags(address: str) -> list[str]:
    """The tag by which the Hub links a paper on arXiv."""
    number = address.removeprefix("https://arxiv.org/abs/")
    return [f"arxiv:{number}"] if number != address else []
