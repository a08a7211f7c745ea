"""The classes of a feature by its tags. The rules themselves are data, in params.yaml.

A feature matches a class by the first of the class's rules that fits its geometry and
tags. Tag names and values are those of https://wiki.openstreetmap.org/wiki/Map_features.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from urbanseg.config.labels import TagRule

Tags = Mapping[str, str]
TagSet = Mapping[str, Literal["*"] | list[str]]
Rules = Mapping[str, Sequence[TagRule]]
Shape = Literal["area", "line", "coast"]


def matches(tags: Tags, wanted: TagSet) -> bool:
    """Whether all tags of `wanted` are there; `"*"` stands for any value but ``no``.

    >>> matches({"highway": "service", "tunnel": "no"}, {"tunnel": "*"})
    False
    """
    return all(_value_fits(tags.get(key), values) for key, values in wanted.items())


def _value_fits(value: str | None, values: Literal["*"] | list[str]) -> bool:
    if value is None:
        return False
    return value != "no" if values == "*" else value in values


def classify(tags: Tags, shapes: Collection[Shape], rules: Rules) -> dict[str, TagRule]:
    """For each class that fits, the first of its rules that does.

    Args:
        tags: the feature's tags.
        shapes: what the feature can be drawn as.
        rules: rules of each class.

    Returns:
        The rule by the class's name.
    """
    found = {}
    for name, candidates in rules.items():
        for rule in candidates:
            if rule.geometry in shapes and matches(tags, rule.tags):
                found[name] = rule
                break
    return found


def keys(rules: Rules, shapes: Collection[Shape] = ("area", "line", "coast")) -> list[str]:
    """Tag keys of which a feature must have at least one to match any rule, sorted.

    One key of each rule is enough, since all tags of a rule must match.
    """
    chosen = (rule for some in rules.values() for rule in some if rule.geometry in shapes)
    return sorted({next(iter(rule.tags)) for rule in chosen})


def tags_as_json(tags: Tags, rule: TagRule, keep_tags: Sequence[str]) -> str:
    """The tags that matched a rule and those to keep.

    Args:
        tags: the feature's tags.
        rule: the rule that matched.
        keep_tags: keys kept besides those of the rule.

    Returns:
        A JSON object, keys sorted.
    """
    kept = {key: tags[key] for key in (*rule.tags, *keep_tags) if key in tags}
    return json.dumps(kept, ensure_ascii=False, sort_keys=True)
