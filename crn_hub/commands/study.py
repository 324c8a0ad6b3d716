"""`crn study`: people compare the pictures of systems."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from crn_hub.data_options import DataOptions
from crn_hub.text import clause, one_line

study = App(name="study", help="Ask people which of two pictures looks more like a photograph.")

SMALLEST = 16  # pixels of a picture's height or width
Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]


@study.command
def create(
    *,
    systems: Annotated[list[str], Parameter(consume_multiple=True)],
    dataset: str,
    output: Path,
    real: bool = False,
    layouts: Annotated[int, Parameter(validator=Number(gte=1))] = 500,
    mode: Literal["unlimited", "limited"] = "unlimited",
    session: Annotated[int, Parameter(validator=Number(gte=4))] = 110,
    passing: Share = 0.8,
    size: tuple[int, int] = (200, 400),
    split: str | None = None,
    title: str = "Comparing pictures",
    consent: Path | None = None,
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    options: Annotated[DataOptions, Parameter(name="*")] = DataOptions(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Plan a study and make its pictures.

    Example: crn study create --systems crn=box plain=crn-image-loss --real --dataset org/streets --output study

    Each system is compared with each other one, and with --real each with the recorded photographs, on the layouts of
    held-out rows. An interrupted command goes on where it was when it is given again. Nothing is drawn after this:
    study.json has all pairs, so that another laboratory can repeat the study.

    Parameters
    ----------
    systems
        NAME=MODEL for each system: a folder, a Hub id or "box", or a folder of pictures named by rows. Name the
        strongest first: sentinels, which tell attentive raters from others, show photographs against weaker ones.
    dataset
        Hub id, folder or file of a data set (docs/data.md has all forms).
    output
        The folder of the study.
    real
        Compare each system with the recorded photographs as well.
    layouts
        How many rows are compared, spread over the split. With --real some are kept apart for sentinels and practice.
    mode
        Whether a pair is seen until the vote, or for 1/8 to 8 seconds.
    session
        About how many pairs a rater is given at a time, sentinels included.
    passing
        The share of a rater's sentinels that must be right for their votes to count. It is fixed with the study.
    size
        Height and width of the pictures in pixels.
    split
        Split of the data set; by default the rows that training holds out.
    title
        What people see above the pairs.
    consent
        A text file that people agree to before they begin; by default a few sentences on what is stored.
    seed
        Everything is drawn by.
    """
    from crn_hub.study.creating import CONSENT, create_study, read_systems  # takes seconds, others don't need it
    from crn_hub.study.server import describe

    named = read_systems(systems)
    if len(named) < 2 and not real:
        raise ValueError("--systems: two systems are compared at least, or one with --real.")
    if min(size) < SMALLEST:
        raise ValueError(f"--size {size[0]} {size[1]}: height and width must be {SMALLEST} pixels or more.")
    try:
        text = CONSENT if consent is None else consent.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--consent {consent}: not readable as a text ({clause(error)}).") from error
    made = create_study(
        named, real, dataset, options, output, title=one_line(title), split=split, layouts=layouts, mode=mode,
        session=session, passing=passing, size=size, seed=seed, consent=text,
    )  # fmt: skip
    print(describe(made))
    print(output)


@study.command
def serve(
    folder: Annotated[Path, Parameter(name="STUDY")],
    /,
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 7870,
    mirror: str | None = None,
) -> None:
    """Serve the pages on which people vote, until it is stopped.

    Example: crn study serve study --host 0.0.0.0

    Every vote is on the disk, in STUDY/votes.db, before its rater sees the next pair.

    Parameters
    ----------
    folder
        The folder that crn study create made.
    host
        The address to listen at; 0.0.0.0 for other machines.
    port
        Its port.
    mirror
        Also copy the votes every five minutes to a private data set on the Hub, organisation/name.
    """
    from crn_hub.study.serving import serve_study  # takes seconds, and other commands don't need it

    serve_study(folder, host, port, mirror)


@study.command
def report(
    folder: Annotated[Path, Parameter(name="STUDY")],
    /,
    *,
    output: Path | None = None,
) -> None:
    """Say what can be concluded from the votes.

    Example: crn study report study --output report

    Votes of raters who failed their sentinels are left out. With --output it also writes report.md, tables as CSV and
    plots as PNG and SVG.

    Parameters
    ----------
    folder
        The folder of the study.
    output
        The folder for the report.
    """
    try:  # takes seconds, and other commands don't need it
        from crn_hub.study.report import conclude, to_text, write_report
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ValueError(f"study report needs {package}: pip install 'crn_hub[study]' installs it.") from error

    conclusions = conclude(folder)
    print(to_text(conclusions))
    if output is not None:
        print("", *write_report(conclusions, output), sep="\n")


@study.command
def power(
    *,
    preference: Share = 0.55,
    pairs: Annotated[int, Parameter(validator=Number(gte=1))] = 100,
    correlation: Share = 0.02,
    comparisons: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    alpha: Share = 0.05,
    wanted: Annotated[float, Parameter(name="--power", validator=Number(gte=0, lte=1))] = 0.8,
) -> None:
    """Say how many raters are needed to tell a preference from chance.

    Example: crn study power --preference 0.55 --pairs 100 --comparisons 3

    Parameters
    ----------
    preference
        The share of votes that the better system would get, above 0.5.
    pairs
        Pairs of a comparison that each rater votes on.
    correlation
        Of two votes of the same rater: 0 if raters don't differ. It makes their votes count less.
    comparisons
        How many comparisons are tested at once; the level is divided by it.
    alpha
        The level of the tests together.
    wanted
        The probability with which the preference is to be found.
    """
    from crn_hub.study.power import design_effect, raters_needed  # takes seconds, and other commands don't need it

    raters = raters_needed(pairs, preference, correlation, alpha, wanted, comparisons)
    effect = design_effect(pairs, correlation)
    print(
        f"{raters:,} raters with {pairs:,} pairs each, {raters * pairs:,} votes a comparison, find a preference of "
        f"{preference:.1%} with a probability of {wanted:.0%} at a level of {alpha:g} in {comparisons} comparisons."
    )
    print(f"A rater's {pairs:,} votes count as {pairs / effect:.1f} independent ones.")
