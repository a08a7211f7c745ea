"""The split of a folder of images: by lists, by a table, or by chance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from urbanseg.config.folder import OfTheRest, SplitDraw, SplitLists, SplitTable
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, quotas
from urbanseg.io import image_sheet

Lists = dict[str, list[str] | None]
"""Entries of each split, as `image_sheet.split` takes them."""


def split(
    names: Sequence[str], fields: Sequence[str], rule: SplitLists | SplitTable | SplitDraw
) -> dict[str, str]:
    """The split of each image that has one.

    Args:
        names: of the images.
        fields: of which they are made.
        rule: of the data set.

    Raises:
        PipelineError: if a list or a table cannot be read, or does not fit the images.
    """
    if isinstance(rule, SplitDraw):
        return drawn(names, fields, rule)
    lists = by_table(rule) if isinstance(rule, SplitTable) else by_lists(rule)
    found = image_sheet.split(names, lists)
    if isinstance(rule, SplitLists) and isinstance(rule.val, OfTheRest):
        rest = [name for name in names if found.get(name) == "train"]
        share = SplitDraw(train=1 - rule.val.share, val=rule.val.share, test=0, seed=rule.val.seed)
        found |= drawn(rest, fields, share)
    return found


def by_lists(rule: SplitLists) -> Lists:
    """The entries of each list, which may be in a file with one entry per line; none if they are drawn."""
    return {name: _entries(getattr(rule, name), name) for name in SPLITS}


def by_table(rule: SplitTable) -> Lists:
    """The entries that the rows of a table give to each split.

    Raises:
        PipelineError: if it cannot be read, or lacks a column or a row.
    """
    try:
        table = pd.read_csv(rule.table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise PipelineError(f"{rule.table}, the table of the split, cannot be read ({error})") from error
    for column in filter(None, (rule.image, rule.split)):
        if column not in table:
            raise PipelineError(f"{rule.table} has no column {column}; it has {', '.join(map(str, table))}")
    images = table[rule.image]
    if rule.rows is None:
        return {name: images[table[rule.split].isin(getattr(rule, name))].tolist() for name in SPLITS}
    counts = [getattr(rule.rows, name) for name in SPLITS]
    if sum(counts) > len(images):
        raise PipelineError(f"{rule.table} has {len(images)} rows, but splits.rows asks for {sum(counts)}")
    ends = np.cumsum([0, *counts])
    return {name: images[ends[i] : ends[i + 1]].tolist() for i, name in enumerate(SPLITS)}


def drawn(names: Sequence[str], fields: Sequence[str], rule: SplitDraw) -> dict[str, str]:
    """Groups of images given to the splits by chance, in the shares that are asked for.

    Args:
        names: of the images.
        fields: of which they are made.
        rule: shares, seed, and the field by which images are one group.

    Raises:
        PipelineError: if the images have no such field.
    """
    if rule.group is not None and rule.group not in fields:
        raise PipelineError(f"splits.group is {rule.group}, but the images have {', '.join(fields)}")
    kept = [rule.group] if rule.group else [field for field in fields if field != image_sheet.DATE]
    pattern = "".join(f"{{{field}}}" for field in kept)
    group_of = {name: image_sheet.key(name, fields, pattern) for name in names}
    groups = np.array(sorted(set(group_of.values())))
    shares = [rule.train, rule.val, rule.test]
    split_of = np.repeat(SPLITS, quotas(len(groups), shares))
    order = np.random.default_rng(rule.seed).permutation(len(groups))
    chosen = dict(zip(groups[order].tolist(), split_of.tolist(), strict=True))
    return {name: chosen[group] for name, group in group_of.items()}


def _entries(entries: list[str] | Path | OfTheRest | None, name: str) -> list[str] | None:
    if isinstance(entries, OfTheRest):
        return []
    if not isinstance(entries, Path):
        return entries
    try:
        lines = entries.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{entries}, the list of the split {name}, cannot be read ({error})") from error
    return [line.strip() for line in lines if line.strip()]
