"""`crn evaluate`: models on the rows of a data set -> measures, tables and contact sheets."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from crn_hub.data_options import DataOptions
from crn_hub.memory import keep_freed_memory


def evaluate(
    models: Annotated[list[str], Parameter(name="MODEL", negative=())],
    /,
    *,
    dataset: str,
    output: Path,
    segmenter: str | None = None,
    split: str | None = None,
    size: tuple[int, int] | None = None,
    max_rows: Annotated[int | None, Parameter(validator=Number(gte=2))] = None,
    options: Annotated[DataOptions, Parameter(name="*")] = DataOptions(),  # noqa: B008 - defaults for cyclopts
    perceptual_net: str = "vgg16",
    apart: str | None = None,
    blind: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    blind_seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    update_cards: bool = False,
    for_publication: bool = False,
) -> None:
    """Measure how realistic, faithful and diverse the photographs of models are, on the same layouts.

    Example: crn evaluate box crn-camvid --dataset org/streets --segmenter segmenter --output evaluation

    Prints one table and writes it to OUTPUT as table.md, table.csv and results.json, with contact-sheet.png and .html,
    classes.png, appearance.png and arithmetic.png. Measurements are saved row by row in OUTPUT/measured: the same
    command resumes where it was stopped, and a command with further models measures only these. With --apart all this
    is done for each value of a column, in OUTPUT/VALUE.

    Parameters
    ----------
    models
        Folders, Hub ids, or "box" for the model that comes with the package.
    dataset
        Hub id, folder or file of a data set (docs/data.md has all forms).
    output
        The folder for the results.
    segmenter
        Network for mIoU and pixel accuracy: one made by crn train-segmenter, or any checkpoint of the transformers
        library for semantic segmentation. Without one these are not measured.
    split
        Split of the data set to measure on; by default the rows that training holds out.
    size
        Height and width in pixels to compare at; by default the size of the largest model.
    max_rows
        Use at most this many rows, spread evenly; with --apart, of each value.
    perceptual_net
        Feature network of the perceptual distance, as in training.
    apart
        Column by whose values rows are evaluated apart, such as the source of each photograph: an evaluation for each
        value, with "other photographs" of the same value.
    blind
        Also write blind.png: this many layouts, each with the photograph and the models' images in an order drawn for
        each, without names; which is which is in blind-key.csv.
    blind_seed
        Seed by which --blind draws rows and orders.
    update_cards
        Write the results into training.json and the card of each model that is a local folder (never for "box").
    for_publication
        Leave photographs that may not be published, such as LabelMeFacade's, out of the contact sheets.
    """
    if blind and for_publication:
        raise ValueError(
            "--blind shows the photograph of every row, and --for-publication leaves some out; give one of them."
        )
    keep_freed_memory()
    try:  # takes seconds, and other commands don't need it
        from crn_hub.data import hidden_rows
        from crn_hub.metrics.blind_sheet import write_blind_sheet
        from crn_hub.metrics.contact_sheet import write_contact_sheets
        from crn_hub.metrics.evaluation import evaluate as measure
        from crn_hub.metrics.plots import write_plots
        from crn_hub.metrics.report import update_cards as write_cards
        from crn_hub.metrics.report import write_report
        from crn_hub.metrics.table import print_table
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ValueError(f"evaluate needs {package}: pip install 'crn_hub[eval]' installs it.") from error

    evaluations = measure(
        models,
        dataset,
        output,
        split=split,
        options=options,
        segmenter=segmenter,
        perceptual_net=perceptual_net,
        size=size,
        max_rows=max_rows,
        apart=apart,
        blind=blind or 0,
    )
    for evaluation in evaluations:
        folder = evaluation.folder
        files = write_report(evaluation, folder)
        hidden = hidden_rows(evaluation.data.rows) if for_publication else set()
        files += write_contact_sheets(evaluation, folder, hidden) + write_plots(evaluation, folder)
        if blind:
            files += write_blind_sheet(evaluation, blind, blind_seed, folder)
        if apart is not None:
            print(f"{evaluation.facts['dataset']}\n")
        print_table(evaluation)
        if update_cards:
            files += write_cards(evaluation)
        print("", *files, "", sep="\n")
    if blind:
        print("Look at blind.png first, and write down what you see before you open blind-key.csv or the other files.")
