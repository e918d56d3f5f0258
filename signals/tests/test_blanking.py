"""Values of keys that name a secret are blanked, in JSON and in what only looks like it."""

import json
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from signals.blanking import blank_text, blank_values, names_secret


@pytest.mark.parametrize("key", ["token", "api_key", "API-Key", "Secret", "passphrase", "userPassword", "x-auth-token"])
@pytest.mark.parametrize(
    "template",
    [
        '{"%s": "hush-hush", "sl": 1.0850}',
        '{"a": [{"%s": "hush-hush"}], "sl": 1.0850}',
        '{"%s": {"deep": ["hush-hush"]}, "sl": 1.0850}',
        '{"%s": "hush-hush", "sl": 1.0850',
        '{"notes": "%s=hush-hush", "sl": 1.0850}',
        r'{"notes": "{\"%s\": \"hush-hush\"}", "sl": 1.0850}',
        "%s=hush-hush&sl=1.0850",
        "sl 1.0850\n%s : hush-hush",
        "{'%s': 'hush-hush', 'sl': 1.0850}",
    ],
)
def test_secret_is_blanked_and_the_rest_is_kept(key: str, template: str) -> None:
    blanked = blank_text(template % key)

    assert "hush" not in blanked
    assert key in blanked
    assert "1.0850" in blanked


@pytest.mark.parametrize(
    "text",
    [
        r'{"tok\u0065n": "hush-hush"}',
        "Authorization: Bearer hush-hush",
        "passphrase: correct hush staple",
        '{"token": hush hush, "sl": 1}',
        '{"token": "unended hush',
        '{"token": "a", "token": "hush"}',
        '{"secret": {"a": "hush',
    ],
)
def test_secret_is_blanked_however_it_is_written(text: str) -> None:
    assert "hush" not in blank_text(text)


def test_text_without_a_secret_is_kept_as_it_came() -> None:
    text = '{"symbol":"EURUSD",  "sl": 1.0850,\n "notes": "a \\"quoted\\" word"}'
    assert blank_text(text) == text


def test_parsed_values_are_blanked_at_every_depth() -> None:
    value = {"Api-Key": 1, "a": [{"pass_phrase": ["x"]}, "token=x", 2.5, None]}
    assert blank_values(value) == {"Api-Key": "***", "a": [{"pass_phrase": "***"}, "token=***", 2.5, None]}


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())), st.text())
def test_json_with_a_secret_stays_json(members: dict[str, object], secret: str) -> None:
    others = {f"{name}x": str(value) for name, value in members.items()}
    assume(not any(names_secret(text) for member in others.items() for text in member))
    text = json.dumps({"api_key": secret} | others)
    assert json.loads(blank_text(text)) == {"api_key": "***"} | others


@pytest.mark.parametrize(
    "repeated", ["token:", 'token:\\"', '"token":{', "token", '"', "\\", '"token":"', "token   =  "]
)
def test_hostile_text_takes_no_longer_than_its_length(repeated: str) -> None:
    text = repeated * (16 * 1024 // len(repeated))
    started = time.process_time()
    blank_text(text)
    assert time.process_time() - started < 0.5
