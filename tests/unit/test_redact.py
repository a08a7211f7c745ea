"""Secrets leave every form of text, and text without secrets stays as it is."""

import doctest
import logging
import subprocess
import sys
import time
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from urbanseg import redact
from urbanseg.errors import PipelineError
from urbanseg.imagery.sentinel2.retry import ResponseError
from urbanseg.osm.overpass_client import Refusal

SECRET = "hunter2-9c41"  # noqa: S105
FORMS = [
    "https://bob:{}@host/path",
    "https://{}@host/path",
    "https://:{}@host/path",
    "https://bob:a%40{}@host.org/path",
    "https://bob:a@{}@host/path",
    "https://bob:a/{}@host/path",
    "https://bob:12/{}@host.org/path",
    "https://bob:a?{}@host/path",
    "https://bob:a#{}@host/path",
    "https://bob:a'{}@host/path",
    "https://bob:{}",
    "https://bob:{}@[::1]:80/x",
    "ftp://bob:{}@host/",
    "//bob:{}@host/path",
    "bob:{}@host.org/api",
    "bob:{}@localhost:8080/api",
    "postgresql+psycopg://bob:{}@host:5432/db",
    "postgresql://host/db?password={}",
    "'/vsicurl/https://bob:{0}@x.org/a.tif?sig={0}'",
    "https://host/path?key={}",
    "https://host/path?{}",
    "https://host/path#{}",
    "https://host/?next=https://b:{0}@y&z={0}",
    "HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /api/?key={} (Caused by Y('x'))",
    "HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /api/?{} (Caused by Y('x'))",
    'http://x:80 "GET /api?{} HTTP/1.1" 200 5',
    "search?key={}",
    "a=1&key={}",
    "Authorization: Bearer {}",
    "Authorization: Basic {}",
    "Authorization: Token {}",
    "Authorization: {}",
    "{{'Authorization': 'Bearer {}', 'x': 'y'}}",
    "[(b'Authorization', b'Basic {}')]",
    "it was sent with bearer {}",
    "X-Api-Key: {}",
    "Cookie: session={0}; b={0}",
    "auth=('bob', '{}')",
    "password={} user=bob",
    "password='it''s {}' user=bob",
    "passwd: {}",
    '"password": "a {}"',
    '{{"client_secret":"{}","x":1}}',
    '{{\\"access_token\\":\\"{}\\"}}',
    "client_id=a&client_secret={}",
    "AccountKey={}==;EndpointSuffix=core",
    "sv=2021&sig={}&se=2",
    "Invalid token: {}",
    'token = "{}',
    "AWS_SECRET_ACCESS_KEY={}",
]
ORDINARY = [
    "failed to reproduce 'scene@demo': output 'data/scene/demo' does not exist",
    "ERROR: dvc.yaml:vectorize@oasis failed",
    "https://host/path is there, and http://[::1]:8080/x",
    "http://127.0.0.1:8080/cogs/scene@demo.tif, 3 times in a row",
    "is it https://host/path? No",
    "data/what?.tif, data/a@b.tif and file:///data/x.tif",
    "s3://bucket/path/scene@v1.2",
    "tcp://10.0.0.1:8786",
    "at 10:26:00Z, 12:30@demo",
    "cities.town.scene.token_url: must be an address",
    "cities.town.scene.client_secret: is not a parameter; remove it",
    "check SH_CLIENT_ID and SH_CLIENT_SECRET, or the profile of the sentinelhub package",
    "red=1,green=2; addr:street=*, highway=primary",
    "write to ops@example.org or mailto:ops@example.org",
    "git@github.com:org/repo.git",
    "https://x.org/oauth/token gives no token in time",
    "password authentication failed for user",
]
words = st.from_regex(r"[A-Za-z0-9._~!$*+-]{1,12}", fullmatch=True)
secrets = st.from_regex(r"[A-Za-z0-9._~!$*+%@/?#:^|-]{1,12}zQ9[A-Za-z0-9]{1,6}", fullmatch=True)
tokens = st.from_regex(r"[A-Za-z0-9._~!$*+%-]{1,12}zQ9[A-Za-z0-9]{1,6}", fullmatch=True)


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(redact).attempted == 1
    assert doctest.testmod(redact).failed == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_of_each_form_is_removed_wherever_it_stands(form: str) -> None:
    planted = form.format(SECRET)
    assert SECRET in planted
    for text in (planted, f"error: {planted} failed", f"first\n{planted}\nlast"):
        cleaned = redact.redact(text)
        assert SECRET not in cleaned
        assert redact.redact(cleaned) == cleaned
        assert redact.holds_secret(text)
        assert text.startswith("first") == cleaned.endswith("\nlast")


@pytest.mark.parametrize("text", ORDINARY)
def test_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact.redact(text) == text
    assert not redact.holds_secret(text)


def test_addresses_keep_their_host_and_path_and_sentences_their_words() -> None:
    text = "failed '/vsicurl/https://x.org/a.tif?sv=1&sig=abc' with Authorization: Bearer eyJ.abc, twice"
    assert redact.redact(text) == (
        "failed '/vsicurl/https://x.org/a.tif' with Authorization: Bearer [hidden] twice"
    )


@given(user=words, secret=secrets, host=words, scheme=st.sampled_from(["https", "ftp", "postgresql"]))
def test_a_password_of_any_characters_is_removed(user: str, secret: str, host: str, scheme: str) -> None:
    text = f"see {scheme}://{user}:p{secret}@{host}/path now"
    cleaned = redact.redact(text)
    assert "zQ9" not in cleaned
    assert redact.redact(cleaned) == cleaned


@given(token=tokens, host=words, name=words)
def test_a_token_is_removed_from_user_name_query_fragment_and_header(
    token: str, host: str, name: str
) -> None:
    for form in (
        f"https://{token}@{host}/a",
        f"https://{host}/a?{name}={token}&b",
        f"https://{host}/a#{token}",
        f"Authorization: Bearer {token}",
        f"{name}_token={token}",
        f'"{name}_secret": "{token}"',
    ):
        cleaned = redact.redact(f"see {form} now")
        assert "zQ9" not in cleaned
        assert cleaned.startswith("see ")
        assert cleaned.endswith(" now")


@given(st.text())
def test_redacting_twice_changes_no_more(text: str) -> None:
    assert redact.redact(redact.redact(text)) == redact.redact(text)


@given(st.lists(st.from_regex(r"[a-z]{1,8}([@/.][a-z]{1,8}){0,3}", fullmatch=True)))
def test_words_paths_and_stages_stay_as_they_are(parts: list[str]) -> None:
    text = " ".join(parts)
    assert redact.redact(text) == text


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("SH_CLIENT_SECRET", "abc!def/ghi", "abc!def/ghi"),
        ("SH_CLIENT_SECRET", "abc!def/ghi", "abc%21def%2Fghi"),
        ("SH_CLIENT_SECRET", "abc\\def", "abc\\\\def"),
        ("SH_CLIENT_ID", "client-1f6e", "client-1f6e"),
        ("PGPASSWORD", "s3cret", "s3cret"),
        ("DATABASE_URL", "postgresql://bob:s3%40cret@host/db", "s3%40cret"),
        ("DATABASE_URL", "postgresql://bob:s3%40cret@host/db", "s3@cret"),
        ("HTTPS_PROXY", "http://bob:s3cret@proxy:3128", "s3cret"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI", "wJalrXUtnFEMI"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7", "AKIAIOSFODNN7"),
        ("AWS_SESSION_TOKEN", "IQoJb3JpZ2", "IQoJb3JpZ2"),
        ("AZURE_STORAGE_CONNECTION_STRING", "Account=x;Key=abcdef", "Account=x;Key=abcdef"),
        ("AZURE_CLIENT_SECRET", "az-s3cret", "az-s3cret"),
        ("REPO_TOKEN", "ghp_abcdef", "ghp_abcdef"),
    ],
    ids=count(),  # pytest puts the id into the environment
)
def test_secrets_of_the_environment_are_removed_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, secret: str
) -> None:
    text = f"the server says {secret}, and no more"
    assert redact.redact(text) == text
    monkeypatch.setattr("os.environ", {name: value, "GOOGLE_APPLICATION_CREDENTIALS": "the server"})
    assert redact.redact(text) == "the server says [hidden], and no more"


def test_secrets_that_the_caller_knows_are_removed() -> None:
    assert redact.redact("abc and abcd", ["abc", "abcd", ""]) == "[hidden] and [hidden]"


@pytest.mark.parametrize("part", ["a", "a.", "-", "http", "?a=", "a:b@", "//", "secret=a,", 'token="', "a/"])
def test_long_text_takes_a_time_in_proportion_to_its_length(part: str) -> None:
    def seconds(length: int) -> float:
        started = time.process_time()
        redact.redact(part * (length // len(part)))
        return time.process_time() - started

    # Eight times as long takes eight times the time, or sixty-four if each part is compared with each.
    assert seconds(40_000) < 24 * seconds(5_000) + 0.2


def test_an_excerpt_is_one_printable_line() -> None:
    said = redact.excerpt("a\n\tb\x1b[31m" + "c" * 1000)
    assert said.startswith("a b")
    assert said.isprintable()
    assert len(said) == 200


def test_an_excerpt_is_redacted_before_it_is_cut() -> None:
    said = redact.excerpt(f"refused:\n https://bob:{SECRET}@host/{'a' * 300}", length=30)
    assert said == "refused: https://host/aaaaaaaa"


@pytest.mark.parametrize("kind", [PipelineError, ResponseError, Refusal])
def test_an_error_holds_no_secret(kind: type[Exception]) -> None:
    error = kind(f"https://bob:{SECRET}@host/api does not answer")
    assert SECRET not in repr(error)
    assert str(error) == "https://host/api does not answer"


def test_values_for_json_are_redacted_in_all_depths() -> None:
    found = redact.redact_values({"a": [{"href": f"https://{SECRET}@host/x"}, 1], "b": None, "c": ("x", 0.5)})
    assert found == {"a": [{"href": "https://host/x"}, 1], "b": None, "c": ["x", 0.5]}


PROGRAM = f"""
import logging, sys, threading, warnings
from urbanseg import redact
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
redact.install()
redact.install()
SECRET = "{SECRET}"
log = logging.getLogger("a.package")
log.info("message https://%s@host/one", SECRET)
log.info("dictionary %(password)s", {{"password": f"password={{SECRET}}"}})
log.info("too few %s %s", f"token={{SECRET}}")
warnings.warn(f"warning https://host/two?key={{SECRET}}")
def fail(what):
    try:
        raise ValueError(f"cause {{what}} token={{SECRET}}")
    except ValueError as error:
        raise KeyError(f"{{what}}: https://bob:{{SECRET}}@host/{{what}}") from error
try:
    fail("logged")
except KeyError:
    log.exception("with a traceback", stack_info=True)
threading.Thread(target=fail, args=["thread"]).start()
fail("main")
"""


def test_logs_warnings_and_tracebacks_of_a_process_are_redacted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    for shown in (
        "message https://host/one",
        "dictionary password=[hidden]",
        "too few",
        "warning https://host/two",
        "KeyError: 'logged: https://host/logged'",
        "KeyError: 'thread: https://host/thread'",
        "KeyError: 'main: https://host/main'",
        "ValueError: cause main token=[hidden]",
    ):
        assert shown in done.stderr, shown


def test_loggers_are_quiet_for_a_while_only() -> None:
    logger = logging.getLogger("requests_oauthlib.oauth2_session")
    before = logger.level
    with redact.quiet():
        assert not logger.isEnabledFor(logging.ERROR)
    assert logger.level == before
