"""Label configs: any mixture of tags is read; unusable ones are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from ml_backend.predict.chosen_recipes import ChosenRecipes
from ml_backend.project.label_config import LabelConfig, ignored_tags, parse_label_config
from ml_backend.server.setup_report import setup_report
from ml_backend.settings import read_settings
from premask.errors import InvalidRequest, InvalidSetting, UnusableLabelConfig
from premask.recipes.recipe import recipe_of
from tests.ml_backend.label_studio_calls import CONFIG

MIXTURE = """
<View>
  <Header value="Two photos"/>
  <View style="display: flex">
    <Image name="left" value="$first" zoom="true"/>
    <Image name="right" value="$second"/>
  </View>
  <BrushLabels name="brush" toName="left"><Label value="Cat"/></BrushLabels>
  <RectangleLabels name="box" toName="left,right">
    <Label value="Cat" alias="felis"/><Label value="Hound" model_phrases="dog, puppy"/>
  </RectangleLabels>
  <PolygonLabels name="outline" toName="right" model_skip="true">
    <Label value="Cat"/>
  </PolygonLabels>
  <EllipseLabels name="round" toName="right"><Label value="Ball"/></EllipseLabels>
  <KeyPointLabels name="clicks" toName="left" smart="true"><Label value="Cat"/></KeyPointLabels>
  <Choices name="kind" toName="right" choice="multiple">
    <Choice value="Indoor"/><View><Choice value="Pets" predicted_values="cat,dog"/></View>
  </Choices>
  <Rating name="stars" toName="left"/>
</View>
"""


def chosen(batch: str | None = "subject") -> ChosenRecipes:
    return ChosenRecipes(
        for_tasks=recipe_of(batch) if batch else None, for_clicks=recipe_of("click")
    )


def report(config: str, served_by: ChosenRecipes | None = None) -> str:
    return " ".join(setup_report(parse_label_config(config), config, served_by or chosen()))


def one_tool(labels: str, tool: str = "BrushLabels", attributes: str = "") -> LabelConfig:
    return parse_label_config(
        f'<View><Image name="i" value="$image"/>'
        f'<{tool} name="t" toName="i" {attributes}>{labels}</{tool}></View>'
    )


def image_url(config: LabelConfig, image: str, data: dict[str, Any]) -> str:
    (page,) = config.pages(image, data)
    return page.url


def test_each_image_is_written_with_its_own_tags() -> None:
    config = parse_label_config(MIXTURE)
    outputs = {
        image: [control.name for control in config.outputs(image)] for image in config.images
    }
    assert outputs == {"left": ["brush", "box"], "right": ["box", "round", "kind"]}
    assert [label.name for label in config.labels("right")] == [
        "felis",
        "Hound",
        "Ball",
        "Indoor",
        "Pets",
    ]


def test_smart_tags_are_for_prompts_unless_there_are_no_others() -> None:
    config = parse_label_config(CONFIG)
    assert [control.name for control in config.outputs("img")] == ["brush"]
    alone = one_tool('<Label value="Cat"/>', "RectangleLabels", 'smart="true"')
    assert [control.name for control in alone.outputs("i")] == ["t"]


@pytest.mark.parametrize(
    ("found", "written"),
    [
        ("cat", "Cat"),
        ("CAT ", "Cat"),
        ("Dog", "Dog"),
        ("puppy", "Hound"),
        ("hound", "Hound"),
        ("cow", None),
        ("object", None),
        ("", None),
    ],
)
def test_what_is_found_gets_the_label_that_it_is_called_by(found: str, written: str | None) -> None:
    labels = (
        '<Label value="Hound" model_phrases="dog,puppy"/><Label value="Cat"/><Label value="Dog"/>'
    )
    (control,) = one_tool(labels).controls
    assert control.label_for(found) == written


@pytest.mark.parametrize(
    ("found", "written"), [("subject", "Cat"), ("object", "Cat"), ("", "Cat"), ("dog", None)]
)
def test_what_has_no_name_gets_the_only_label(found: str, written: str | None) -> None:
    (control,) = one_tool('<Label value="Cat"/>').controls
    assert control.label_for(found) == written


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("dog", "Dog"),
        ("a big dog, sleeping", "Dog"),
        ("kitten", "Cat"),
        ("doggy", "Cat"),
        ("the thing on the left", "Cat"),
        ("a guide dog", "Guide dog"),
    ],
)
def test_what_a_person_asks_for_always_has_a_label(words: str, label: str) -> None:
    labels = (
        '<Label value="Cat" model_phrases="kitten"/><Label value="Guide dog"/><Label value="Dog"/>'
    )
    assert one_tool(labels).label_asked_for("i", words) == label


def test_the_image_is_where_the_tasks_data_says() -> None:
    config = parse_label_config(MIXTURE)
    assert image_url(config, "right", {"first": "/a", "second": "/b"}) == "/b"
    with pytest.raises(InvalidRequest, match=r"no image in 'first'.* it has: second"):
        image_url(config, "left", {"second": "/b"})
    with pytest.raises(InvalidRequest, match="it has: nothing"):
        image_url(config, "left", {})


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("$meta.image", "/nested"),
        ("$pages[1].url", "/second"),
        ("$a.b", "/dotted"),
        ("$my-image", "/dashed"),
        ("https://host/$meta.name", "https://host/7"),
    ],
)
def test_the_image_is_found_as_label_studio_finds_it(value: str, url: str) -> None:
    data = {
        "meta": {"image": "/nested", "name": 7},
        "pages": [{"url": "/first"}, {"url": "/second"}],
        "a.b": "/dotted",
        "my-image": "/dashed",
    }
    config = parse_label_config(MIXTURE.replace("$first", value))
    assert image_url(config, "left", data) == url


@pytest.mark.parametrize("value", ["$meta.gone", "$pages[5]", "$pages.url", "https://h/$gone"])
def test_a_place_that_is_not_in_the_data_is_named(value: str) -> None:
    config = parse_label_config(MIXTURE.replace("$first", value))
    with pytest.raises(InvalidRequest, match="which the tag 'left' shows; it has: pages, second"):
        image_url(config, "left", {"pages": [{"url": "/a"}], "second": "/b"})


REPEATED = """<Repeater on="$pages" indexFlag="{{idx}}">
  <Image name="page_{{idx}}" value="$pages[{{idx}}].url"/>
  <BrushLabels name="brush_{{idx}}" toName="page_{{idx}}"><Label value="Cat"/></BrushLabels>
</Repeater>"""


PAGES = {"pages": [{"url": "/one"}, {"url": "/two"}]}


def test_a_repeater_makes_an_image_of_each_item() -> None:
    xml = f"<View>{REPEATED}</View>"
    config = parse_label_config(xml)
    own = config.of_task(PAGES)
    assert [image_url(own, image, PAGES) for image in own.images] == ["/one", "/two"]
    drawn = [[control.name for control in own.drawn(image)] for image in own.images]
    assert drawn == [["brush_0"], ["brush_1"]]
    assert config.of_task({}).images == {}
    with pytest.raises(InvalidRequest, match=r"no items in \$pages.*it has: other"):
        config.require_images({"other": 1})
    config.require_images(PAGES)
    assert parse_label_config(xml.replace(' indexFlag="{{idx}}"', "")) == config
    said = report(xml)
    assert "Image 'page_{{idx}}': each item of $pages is an image of its own." in said


def test_a_repeater_beside_other_images_changes_nothing_for_these() -> None:
    xml = MIXTURE.replace("  <Header", f"{REPEATED}  <Header")
    own, alone = parse_label_config(xml).of_task(PAGES), parse_label_config(MIXTURE)
    assert own.outputs("left") == alone.outputs("left")
    assert set(own.images) == {*alone.images, "page_0", "page_1"}


def test_an_item_of_a_repeater_may_be_a_list_of_images() -> None:
    listed = REPEATED.replace('value="$pages[{{idx}}].url"', 'valueList="$pages[{{idx}}].urls"')
    data = {"pages": [{"urls": ["/a", "/b"]}]}
    own = parse_label_config(f"<View>{listed}</View>").of_task(data)
    assert [page.url for page in own.pages("page_0", data)] == ["/a", "/b"]


def test_what_a_repeater_in_a_repeater_makes_is_left_to_people() -> None:
    inner = REPEATED.replace("$pages", "$inner").replace("page_", "inner_")
    xml = REPEATED.replace("</Repeater>", f"{inner}</Repeater>")
    assert parse_label_config(f"<View>{xml}</View>") == parse_label_config(
        f"<View>{REPEATED}</View>"
    )


def test_a_list_of_images_has_a_page_for_each() -> None:
    config = parse_label_config(MIXTURE.replace('value="$first"', 'valueList="$meta.urls"'))
    pages = config.pages("left", {"meta": {"urls": ["/a", "/b"]}})
    assert [(page.url, page.item_index) for page in pages] == [("/a", 0), ("/b", 1)]
    incomplete: list[dict[str, Any]] = [{}, {"meta": {"urls": []}}, {"meta": {"urls": ["/a", 0]}}]
    for lacking in incomplete:
        with pytest.raises(InvalidRequest, match=r"no image in 'meta\.urls'"):
            config.pages("left", lacking)


def test_a_list_of_images_has_choices_for_each_item_only() -> None:
    xml = MIXTURE.replace('value="$second"', 'valueList="$second"')
    assert "kind" not in [control.name for control in parse_label_config(xml).outputs("right")]
    each = parse_label_config(xml.replace('choice="multiple"', 'perItem="true"'))
    assert "kind" in [control.name for control in each.outputs("right")]


PLAIN = """<View><Image name="i" value="$image"/>
<Labels name="labels" toName="i"><Label value="Cat"/></Labels>
<Taxonomy name="kinds" toName="i" perRegion="true">
  <Choice value="Animals">
    <Choice value="Dog" alias="canis"/><View><Choice value="Hen"/></View>
  </Choice>
  <Choice value="Things" model_phrases="thing"/>
</Taxonomy>
<Taxonomy name="scene" toName="i"><Choice value="Indoor"/></Taxonomy>
<Bitmask name="bitmask" toName="i"/><Rectangle name="box" toName="i" canRotate="true"/></View>"""


def test_plain_tags_have_the_labels_of_the_lists_beside_them() -> None:
    controls = parse_label_config(PLAIN).outputs("i")
    assert [(str(control), [label.name for label in control.labels]) for control in controls] == [
        ('<Bitmask name="bitmask"> and <Labels name="labels">', ["Cat"]),
        (
            '<Bitmask name="bitmask"> and <Taxonomy name="kinds">',
            ["Animals / canis", "Animals / Hen", "Things"],
        ),
        ('<Rectangle name="box"> and <Labels name="labels">', ["Cat"]),
        (
            '<Rectangle name="box"> and <Taxonomy name="kinds">',
            ["Animals / canis", "Animals / Hen", "Things"],
        ),
    ]
    assert controls[1].label_for("dog") == "Animals / canis"
    assert controls[1].label_for("animals") is None
    said = report(PLAIN)
    assert 'written with <Bitmask name="bitmask"> and <Labels name="labels"> as Cat.' in said
    assert "is turned to be the smallest around the mask" in said
    assert 'Left to people: <Taxonomy name="scene">.' in said


def test_a_plain_tag_without_labels_beside_it_is_told_where_they_belong() -> None:
    said = report('<View><Image name="i" value="$image"/><Brush name="b" toName="i"/></View>')
    assert "Labels must be in the config or in a <Labels> with the same toName" in said


def test_a_bitmask_comes_before_a_brush() -> None:
    tools = [
        f'<{tool} name="{tool}" toName="i"><Label value="Cat"/></{tool}>'
        for tool in ("BrushLabels", "BitmaskLabels")
    ]
    said = report(f'<View><Image name="i" value="$image"/>{"".join(tools)}</View>')
    assert 'written with <BitmaskLabels name="BitmaskLabels"> as Cat. ' in said
    assert 'as Cat, where <BitmaskLabels name="BitmaskLabels"> has no such label' in said


def test_choices_for_each_region_are_left_to_people() -> None:
    xml = MIXTURE.replace('choice="multiple"', 'choice="multiple" perRegion="true"')
    outputs = parse_label_config(xml).outputs("right")
    assert [control.name for control in outputs] == ["box", "round"]
    assert 'Left to people: <PolygonLabels name="outline">, <Choices name="kind">' in report(xml)


def test_an_image_may_be_the_same_for_all_tasks() -> None:
    config = parse_label_config(
        '<View><Image name="i" value="http://a/b.png"/>'
        '<BrushLabels name="t" toName="i"><Label value="Cat"/></BrushLabels></View>'
    )
    assert image_url(config, "i", {}) == "http://a/b.png"


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<View>", "no XML"),
        ("", "no XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><View/>', "document type"),
        ('<View><Text name="t" value="$t"/></View>', "no <Image"),
        ('<View><Image name="i" valueList="$images"/></View>', "nothing to write"),
        ('<View><Image name="i" value="$image"/></View>', "nothing to write"),
        (
            '<View><Image name="i" value="$image"/>'
            '<KeyPointLabels name="k" toName="i"><Label value="a"/></KeyPointLabels></View>',
            "<BrushLabels>",
        ),
        (
            '<View><Image name="i" value="$image"/>'
            '<BrushLabels name="b" toName="other"><Label value="a"/></BrushLabels></View>',
            "toName",
        ),
    ],
)
def test_what_can_not_be_served_is_refused_in_words(xml: str, words: str) -> None:
    with pytest.raises(UnusableLabelConfig, match=words):
        parse_label_config(xml)


def test_tags_that_are_left_to_people_are_named() -> None:
    assert ignored_tags(MIXTURE) == ('<PolygonLabels name="outline">', '<Rating name="stars">')
    assert 'Left to people: <PolygonLabels name="outline">, <Rating name="stars">.' in report(
        MIXTURE
    )


def test_the_report_says_who_answers_what() -> None:
    told = report(CONFIG)
    assert "labeled by 'subject'" in told
    assert "Answered by 'click': clicks (<KeyPointLabels name=\"kp\">), boxes (" in told
    assert 'Words in <TextArea name="prompt">: not answered' in told
    assert "Nobody can click" in report(MIXTURE.replace(' smart="true"', ""))
    assert "not labeled, because 'click' answers clicks only" in report(CONFIG, chosen(None))


def test_the_report_says_which_tag_writes_what_the_best_one_can_not() -> None:
    told = report(MIXTURE)
    assert "Image 'left': written with <BrushLabels name=\"brush\"> as Cat." in told
    assert (
        "Image 'left': written with <RectangleLabels name=\"box\"> as felis, Hound, where "
        '<BrushLabels name="brush"> has no such label or needs a mask'
    ) in told
    asked_for = report(MIXTURE.replace('name="box"', 'name="box" model_also="true"'))
    assert "Image 'left': written with <RectangleLabels name=\"box\"> as felis, Hound." in asked_for


def test_the_report_says_that_nobody_can_click_where_nothing_can_be_drawn() -> None:
    config = (
        '<View><Image name="i" value="$image"/>'
        '<Choices name="c" toName="i"><Choice value="a"/></Choices>'
        '<KeyPointLabels name="k" toName="i" smart="true"><Label value="a"/>'
        "</KeyPointLabels></View>"
    )
    assert "Nobody can click: no tag can show an object" in report(config)


def test_the_report_says_what_is_ignored() -> None:
    foreign = CONFIG.replace("<BrushLabels ", '<BrushLabels model_path="sam.pt" model_recpe="a" ')
    told = report(foreign)
    assert "model_path of <BrushLabels name=" in told
    assert "did you mean model_recipe?" in told
    assert "extra params" not in told


def test_the_report_says_beforehand_that_a_subject_has_none_of_the_labels() -> None:
    one = CONFIG.replace('<Label value="Dog"/>', "")
    phrased = CONFIG.replace('value="Dog"', 'value="Dog" model_phrases="subject"')
    assert "'subject' calls everything 'subject', which is none of these labels" in report(CONFIG)
    assert "calls everything" not in report(one) + report(phrased)


def test_the_report_names_the_phrases_of_a_recipe_that_understands_words() -> None:
    owl = ChosenRecipes(for_tasks=recipe_of("owl"), for_clicks=recipe_of("click"))
    assert "'owl' looks for Cat, dog, puppy, Ball, Indoor, cat." in report(MIXTURE, owl)
    assert "answered by 'owl'" in report(CONFIG, owl)
    own_words = recipe_of("owl").with_settings({"find.phrases": "a cat"})
    assert "labeled by 'owl'" in report(
        MIXTURE, ChosenRecipes(for_tasks=own_words, for_clicks=owl.for_clicks)
    )


def test_labels_that_come_with_the_task_are_not_served_silently() -> None:
    config = (
        '<View><Image name="i" value="$image"/>'
        '<BrushLabels name="b" toName="i" value="$labels"/></View>'
    )
    assert "has no labels of its own" in report(config)


@pytest.mark.parametrize(
    ("flags", "whole_tasks", "clicks"),
    [
        ({}, "subject", "click"),
        ({"recipe": "faces"}, "faces", "click"),
        ({"recipe": "click"}, None, "click"),
        ({"recipe": "faces", "interactive_recipe": "subject"}, "faces", "subject"),
    ],
)
def test_recipes_are_given_their_roles(
    flags: dict[str, str], whole_tasks: str | None, clicks: str
) -> None:
    given = ChosenRecipes.from_settings(read_settings(environment={}, flags=flags))
    assert (given.for_tasks.name if given.for_tasks else None) == whole_tasks
    assert given.for_clicks.name == clicks


def test_a_recipe_for_clicks_beside_another_one_is_a_mistake() -> None:
    flags = {"recipe": "click", "interactive_recipe": "click"}
    with pytest.raises(InvalidSetting, match="can't label whole tasks"):
        ChosenRecipes.from_settings(read_settings(environment={}, flags=flags))
