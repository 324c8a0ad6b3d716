"""Texts from outside on their way into sentences."""

import pytest

from crn_hub.text import clause, one_line, some


def test_one_line_has_no_controls() -> None:
    assert one_line("a\x1b[31m\r\nb\u2028c\t\u202ed\ud800 ") == "a[31m b c d"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It failed. Try again!\n", "It failed; Try again"),
        ("model.ckpt holds 1.5 GB...", "model.ckpt holds 1.5 GB"),
        (ValueError("what?"), "what"),
        ("a" * 301, "a" * 297 + "..."),
    ],
)
def test_clauses_fit_into_a_sentence(text: object, expected: str) -> None:
    assert clause(text) == expected


def test_some_names_the_first_and_counts_the_others() -> None:
    assert some([]) == "nothing"
    assert some("abc") == "a, b, c"
    assert some(["a", 2, "c\nd", "e", "f"]) == "a, 2, c d and 2 more"
    assert some("abc", at_most=1) == "a and 2 more"
