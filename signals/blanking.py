"""What keeps secrets out of the records: values of keys that name one are blanked before anything is stored. Pure."""

import json
import re
import unicodedata
from typing import Any

BLANKED = "***"

# A key names a secret when one of these is in it, whatever its case and punctuation: API-Key, user_token, authToken.
SECRET_WORDS = (
    "apikey",
    "token",
    "secret",
    "passphrase",
    "password",
    "passwd",
    "authorization",
    "credential",
    "privatekey",
    "accesskey",
)

# Tolerant of broken JSON: a string that never ends runs to the end of the text.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"?|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)

# `token=abc`, `api_key: "abc"`, `Authorization: Bearer abc`. What repeats is bounded: hostile text takes linear time.
_SECRET_IN_TEXT = re.compile(
    r"""((?:api[\s_-]?key|token|secret|pass[\s_-]?phrase|pass[\s_-]?wo?r?d|authorization|credential
         |private[\s_-]?key|access[\s_-]?key)[\w-]{0,32}\\?["']?\s{0,8}[:=]\s{0,8})
        (\\".*?\\" | "(?:\\.|[^"\\])*"? | '[^']*'? | [\[{].* | [^\n,;&}\]"']+)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def blank_text(text: str) -> str:
    """The text, JSON or not, with the values of secret keys blanked, nested ones too; all else as it was."""
    return _SECRET_IN_TEXT.sub(_blanked, _blank_json_values(text))


def blank_values(value: Any) -> Any:
    """The same for parsed JSON."""
    if isinstance(value, dict):
        return {key: BLANKED if names_secret(key) else blank_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [blank_values(inner) for inner in value]
    return blank_text(value) if isinstance(value, str) else value


def names_secret(key: str) -> bool:
    folded = re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", key)).casefold()
    return any(word in folded for word in SECRET_WORDS)


def _blank_json_values(text: str) -> str:
    tokens = list(_TOKEN.finditer(text))
    parts, copied, index = [], 0, 0
    while index < len(tokens) - 2:
        if tokens[index + 1].group() == ":" and _is_secret_key(tokens[index].group()):
            last = _last_of_value(tokens, index + 2)
            parts += [text[copied : tokens[index + 2].start()], f'"{BLANKED}"']
            copied, index = tokens[last].end(), last
        index += 1
    return "".join([*parts, text[copied:]])


def _is_secret_key(token: str) -> bool:
    """Only of a quoted key: what stands bare is no JSON and left to the pattern."""
    if not token.startswith('"'):
        return False
    try:
        return names_secret(str(json.loads(token)))
    except ValueError:
        return names_secret(token)


def _last_of_value(tokens: list[re.Match[str]], first: int) -> int:
    """The index of the value's last part: the string itself, the bracket that closes it, the end of what is bare."""
    depth = 0
    for index in range(first, len(tokens)):
        part = tokens[index].group()
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(part, 0)
        if depth < 0 or (depth == 0 and part == ","):
            return max(index - 1, first)
        if depth == 0 and part[0] in '"}]':
            return index
    return len(tokens) - 1


def _blanked(match: re.Match[str]) -> str:
    value = match[2]
    if value.startswith(('\\"', '"', "'")):
        quote = '\\"' if value.startswith("\\") else value[0]
        return f"{match[1]}{quote}{BLANKED}{quote}"
    return f"{match[1]}{BLANKED}"
