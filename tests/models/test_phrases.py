from __future__ import annotations

import numpy as np
import pytest

from premask.errors import UnsupportedPrompt
from premask.models.parts.detections import corners_xyxy, hints_of
from premask.models.parts.phrases import (
    Finds,
    best_first,
    best_phrases,
    finds_of,
    required_phrases,
    without_unwanted,
)
from premask.prompts import Exemplar, Hint, Phrase, Prompts

CAT = Phrase(text="a cat")
SIZE = (100, 200)


def hint(x0: float, x1: float, score: float | None) -> Hint:
    return Hint(label="cat", box_xyxy=(x0, 0, x1, 10), score=score)


@pytest.mark.parametrize("prompts", [Prompts(), Prompts(exemplars=(Exemplar(box_xyxy=SIZE * 2),))])
def test_without_phrases_it_says_how_to_give_some(prompts: Prompts) -> None:
    with pytest.raises(UnsupportedPrompt, match=r"--text 'a cat'.*Prompts\(phrases="):
        required_phrases(prompts)


def test_an_exemplar_is_enough_where_it_is_understood() -> None:
    prompts = Prompts(exemplars=(Exemplar(box_xyxy=(0, 0, 9, 9)),))
    assert required_phrases(prompts, exemplars=True) == ()


def test_negative_phrases_alone_ask_for_nothing() -> None:
    with pytest.raises(UnsupportedPrompt, match="All that was asked for is negative"):
        required_phrases(Prompts(phrases=(Phrase(text="a cat", positive=False),)))


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_a_phrase_has_words(text: str) -> None:
    with pytest.raises(UnsupportedPrompt, match="without words"):
        required_phrases(Prompts(phrases=(CAT, Phrase(text=text))))


@pytest.mark.parametrize(
    ("unwanted", "stays"),
    [
        (hint(0, 10, 0.9), False),
        (hint(0, 20, 0.9), False),  # IoU is exactly a half
        (hint(0, 21, 0.9), True),
        (hint(0, 10, 0.4), True),
        (hint(0, 10, 0.5), True),
        (hint(0, 10, None), False),
    ],
)
def test_a_better_negative_find_of_the_same_object_takes_it(unwanted: Hint, stays: bool) -> None:
    wanted = [hint(0, 10, 0.5), hint(50, 60, 0.1)]
    assert without_unwanted(wanted, [unwanted]) == (wanted if stays else wanted[1:])


def test_each_find_gets_its_own_label_the_best_first() -> None:
    phrases = [CAT, Phrase(text="dog", label="Hund"), Phrase(text="toy", positive=False)]
    boxes = np.array([[0, 0, 5, 5], [10, 0, 15, 5], [20, 0, 25, 5], [10, 0, 15, 6]], np.float32)
    scores = np.array([0.25, 0.5, 0.75, 1], np.float32)
    found = best_first([finds_of(boxes, scores, np.array([0, 0, 1, 2]), phrases, SIZE)])
    assert [(hint.label, hint.score) for hint in found] == [("Hund", 0.75), ("a cat", 0.25)]


def test_boxes_end_with_the_image_and_what_lies_beside_it_is_left_out() -> None:
    boxes = np.array([[-5, -5, 500, 50], [200, 0, 300, 50], [0, -9, 9, 0]], np.float32)
    found = hints_of(boxes, np.ones(3), ["a", "b", "c"], SIZE)
    assert found == [Hint(label="a", box_xyxy=(0, 0, 200, 50), score=1.0)]


def test_corners_of_centers_and_sizes() -> None:
    corners = corners_xyxy(np.array([[0.5, 0.5, 0.5, 1]]), SIZE)
    assert corners.tolist() == [[50, 0, 150, 100]]


def test_an_object_that_is_found_by_the_phrases_of_two_parts_gets_the_better_one() -> None:
    cat, animal = Hint(label="cat", box_xyxy=(0, 0, 100, 10), score=0.6), hint(0, 95, 0.5)
    chair, coat = hint(200, 300, 0.4), hint(0, 70, 0.3)
    parts = [Finds(wanted=[cat, chair], unwanted=[]), Finds(wanted=[animal, coat], unwanted=[])]
    # A part of the object, as a coat of a person, is another one.
    assert best_phrases(parts) == [cat, chair, coat]
    assert best_phrases(parts[::-1]) == [cat, chair, coat]
    assert best_phrases([Finds(wanted=[], unwanted=[])]) == []


def test_what_one_look_tells_apart_stays_apart() -> None:
    twins = Finds(wanted=[hint(0, 100, 0.6), hint(0, 99, 0.5)], unwanted=[])
    assert best_phrases([twins]) == best_first([twins]) == twins.wanted


def test_a_find_that_a_negative_phrase_takes_does_not_hide_another() -> None:
    taken, better = hint(0, 100, 0.6), hint(0, 100, 0.9)
    other = Hint(label="dog", box_xyxy=(60, 0, 160, 10), score=0.5)
    parts = [Finds(wanted=[taken], unwanted=[better]), Finds(wanted=[other], unwanted=[])]
    assert best_phrases(parts) == [other]
