"""A city is added to and removed from the text of params.yaml, and no other byte changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from urbanseg.config.city_entry import added, removed
from urbanseg.errors import PipelineError

ENTRY = {"title": "#1: a 'b'", "area": {"bbox": [1.5, -2.0, 3.0, 4.0]}, "labels": {"source": "osm"}}

scalars = st.sampled_from(["1", "a b", '"#c"', "'x: y'", "[1, 2]", "{p: q}", "~"])
endings = st.sampled_from(["", "  # a word", " "])


@st.composite
def entries(draw, indent):
    """The lines of an entry, of keys, lists, literal texts and comments."""
    lines = []
    for number in range(draw(st.integers(1, 3))):
        key = f"{indent}k{number}:"
        kind = draw(st.sampled_from(["scalar", "map", "list", "literal", "folded"]))
        if kind == "scalar":
            lines.append(f"{key} {draw(scalars)}{draw(endings)}")
        elif kind == "map":
            lines += [f"{key}{draw(endings)}", f"{indent}  a: {draw(scalars)}{draw(endings)}"]
        elif kind == "list":
            lines += [key, f"{indent}  - {draw(scalars)}", f"{indent}  - {draw(scalars)}{draw(endings)}"]
        else:
            lines += [f"{key} {'|' if kind == 'literal' else '>'}", f"{indent}  text", f"{indent}  # text"]
        lines += draw(st.sampled_from([[], [f"{indent}# off: 1"], ["", f"{indent}# off: 1"]]))
    return lines


@st.composite
def files(draw):
    """The text of a params.yaml."""
    step = " " * draw(st.sampled_from([1, 2, 4]))
    lines = draw(st.sampled_from([[], ["# head", "seed: 7", ""], ["\ufeffseed: 7"]]))
    lines += [f"cities:{draw(endings)}"]
    for name in ("one", "two"):
        lines += [f"{step}{name}:", *draw(entries(step * 2))]
        lines += draw(st.sampled_from([[], [""], [f"{step}# of the next"]]))
    lines += draw(st.sampled_from([[], ["osm: 1"], ["# last", "osm: 1"]]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(lines) + draw(st.sampled_from(["", end]))


def values(text):
    return YAML(typ="safe", pure=True).load(text)


@given(files())
def test_adding_means_one_more_city_and_removing_it_gives_the_same_bytes(text):
    new = added(text, "three", ENTRY)
    expected = values(text)
    expected["cities"]["three"] = ENTRY
    assert values(new) == expected
    assert list(values(new)["cities"]) == ["one", "two", "three"]
    back = removed(new, "three")
    assert back == text or back.rstrip("\r\n") == text  # a last line gets its end


@given(files(), st.sampled_from(["one", "two"]))
def test_removing_takes_whole_lines_of_one_city_and_leaves_the_values_of_all_else(text, city):
    new = removed(text, city)
    expected = values(text)
    del expected["cities"][city]
    assert values(new) == expected
    kept, lines = new.splitlines(keepends=True), text.splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{city}:"))
    assert lines[:first] + lines[first + len(lines) - len(kept) :] == kept
    assert "# of the next" not in "".join(lines[first : first + len(lines) - len(kept)])


def test_a_comment_inside_an_entry_goes_with_it_and_one_before_the_next_stays():
    text = "cities:\n  a:\n    x: 1\n    # y: 2\n  # about b\n  b:\n    x: 1\n"
    assert removed(text, "a") == "cities:\n  # about b\n  b:\n    x: 1\n"
    new = added("cities:\n  a:\n    x: 1\n    # y: 2\n", "b", {"x": 1})
    assert new == "cities:\n  a:\n    x: 1\n    # y: 2\n  b: {x: 1}\n"


@pytest.mark.parametrize(
    "text", ["", "a: 1", "cities: {a: {x: 1}}", "cities:", "cities: 1", "[", "- a", "cities:\n  a: 1\n a: 2"]
)
def test_a_file_without_a_section_of_cities_is_refused(text):
    with pytest.raises(PipelineError, match=r"cities must be a section|is not valid YAML"):
        added(text, "b", ENTRY)
