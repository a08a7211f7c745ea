import doctest
import logging

from urbanseg.io import redact


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(redact).failed == 0


def test_signed_addresses_and_bearer_tokens_are_cut() -> None:
    text = "failed '/vsicurl/https://x.org/a.tif?sv=1&sig=abc' with Authorization: Bearer eyJ.abc"
    assert redact.redact(text) == "failed '/vsicurl/https://x.org/a.tif' with Authorization: Bearer [hidden]"


def test_loggers_are_quiet_for_a_while_only() -> None:
    logger = logging.getLogger("requests_oauthlib.oauth2_session")
    before = logger.level
    with redact.quiet():
        assert not logger.isEnabledFor(logging.ERROR)
    assert logger.level == before
