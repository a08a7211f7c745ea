"""The classes of a feature by its tags. The rules themselves are data, in params.yaml.

A feature matches a class by the first of the class's rules that fits its geometry and
tags. Tag names and values are those of https://wiki.openstreetmap.org/wiki/Map_features.
What no satellite sees matches none: what is planned or gone, and what lies below something else.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from urbanseg.config.labels import TagRule

Tags = Mapping[str, str]
TagSet = Mapping[str, Literal["*"] | list[str]]
Rules = Mapping[str, Sequence[TagRule]]
Shape = Literal["area", "line", "coast"]

STATES = frozenset({
    "proposed", "planned", "construction", "disused", "abandoned", "ruins", "collapsed", "demolished",
    "razed", "removed", "destroyed", "dismantled", "was",
})  # fmt: skip
"""States of what is not yet, or no longer: https://wiki.openstreetmap.org/wiki/Lifecycle_prefix."""
STANDING = frozenset({"disused", "abandoned"})
"""States whose tag ``<state>=yes`` says that nobody uses a thing, which is still there."""
BUILDING_KEYS = frozenset({"building", "building:part"})


def matches(tags: Tags, wanted: TagSet) -> bool:
    """Whether all tags of `wanted` are there; `"*"` stands for any value but ``no`` and the `STATES`.

    >>> matches({"highway": "service", "tunnel": "no"}, {"tunnel": "*"})
    False
    """
    return all(_value_fits(tags.get(key), values) for key, values in wanted.items())


def _value_fits(value: str | None, values: Literal["*"] | list[str]) -> bool:
    if value is None:
        return False
    return value != "no" and value not in STATES if values == "*" else value in values


def is_seen(tags: Tags, rule: TagRule) -> bool:
    """Whether what a rule found by a feature's tags is there, and can be seen from above.

    >>> road = TagRule(geometry="line", tags={"highway": ["service"]})
    >>> [is_seen({"highway": "service", key: "yes"}, road) for key in ("bridge", "covered", "razed")]
    [True, False, False]
    """
    if any(tags.get(state) == "yes" for state in STATES - STANDING):
        return False
    if any(_is_same(tags.get(f"{state}:{key}"), tags.get(key)) for state in STATES for key in rule.tags):
        return False
    if tags.get("indoor", "no") != "no" or tags.get("location") in ("underground", "indoor"):
        return False
    if BUILDING_KEYS.isdisjoint(rule.tags):
        return tags.get("covered", "no") in ("no", "partial")
    return not _is_below_ground(tags.get("layer")) and not _is_below_ground(tags.get("level"))


def _is_same(former: str | None, now: str | None) -> bool:
    """Whether a key with the prefix of a state means the same thing as the key itself, no successor."""
    return former is not None and former != "no" and (former == now or "yes" in (former, now))


def _is_below_ground(levels: str | None) -> bool:
    """Whether a tag gives numbers below 0 alone, such as ``-1`` or ``-2;-1``."""
    try:
        return levels is not None and all(float(each) < 0 for each in levels.split(";"))
    except ValueError:
        return False


def classify(tags: Tags, shapes: Collection[Shape], rules: Rules) -> dict[str, TagRule]:
    """For each class that fits, the first of its rules that does; of what cannot be seen, none does.

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
            if rule.geometry in shapes and matches(tags, rule.tags) and is_seen(tags, rule):
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
