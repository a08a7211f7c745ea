"""Which corrections are in effect."""

from hypothesis import given
from hypothesis import strategies as st

from urbanseg.labels.corrections import ADD, REDO, UNDO, Entry, in_effect


def test_what_is_undone_is_not_in_effect_until_it_is_redone():
    log = [Entry("a", ADD, None), Entry("b", ADD, None), Entry("1", UNDO, "a")]
    assert in_effect(log) == [1]
    assert in_effect([*log, Entry("2", REDO, "a")]) == [0, 1], "where it lay before"


@given(st.lists(st.tuples(st.sampled_from([UNDO, REDO]), st.integers(0, 4)), max_size=20))
def test_the_last_word_on_each_stroke_counts(words):
    log = [Entry(str(n), ADD, None) for n in range(5)]
    log += [Entry(f"w{i}", action, str(of)) for i, (action, of) in enumerate(words)]
    last = dict.fromkeys(range(5), REDO) | {of: action for action, of in words}
    assert in_effect(log) == [n for n in range(5) if last[n] == REDO]
