"""Texts that somebody would send to be more than text. One table, for every place that shows an alert."""

from __future__ import annotations

from html.parser import HTMLParser

# A tag, an attribute and a word that no page of ours has: where one appears as such, a text got out of its place.
MARK = "pwned"

TEXTS: dict[str, str] = {
    "script": f"<script>window.{MARK} = 1</script>",
    "image": f"<img src=x onerror='window.{MARK} = 1'>",
    "element": f"</p></td></textarea></title><{MARK} {MARK}=1>",
    "attribute": f"\" {MARK}=\"1\" ' {MARK}='1' onfocus=window.{MARK}=1 autofocus x=`",
    "end of JSON": f"</script><script>window.{MARK}=1</script><!--",
    "template": "{{ request.user.password }} {% debug %} ${window.pwned=1} #{7*7}",
    "entity": f"&lt;{MARK}&gt; &#60;{MARK}&#62; &amp;amp;",
    "address": f"javascript:window.{MARK}=1//https://example.org",
    "formula": '=HYPERLINK("http://evil.example","pay")',
    "lines": "first\r\n2026-05-04 09:30:00,000 INFO signals: Signal 1: received\r\nSet-Cookie: a=b",
    "null byte": "a\x00b",
    "control": "a\x07\x08\x1b[2J\x1b]0;title\x07\x7f\x85b",
    "right to left": "\u202egnp.exe\u202c \u2066 \u200f \u061c مرحبا",
    "zero width": "E\u200bU\u200cR\u200dU\u2060S\ufeffD",
    "surrogate": "half \ud83d of a pair",
    "emoji": "🟢👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿" * 3,
    "combining": "Z" + "\u0335\u0321" * 40,
    "long word": "W" * 10_000,
    "SQL": "'; DROP TABLE signals_signal; --",
    "path": "../../../../etc/passwd%00%2e%2e/",
}
# Neither the database nor a page ever holds these: they are taken out, or refused, when an alert is read.
UNSTORABLE = {"null byte", "surrogate"}


class Escapes(HTMLParser):
    """What in a page is markup of a hostile text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._in_script = False
        self._is_data = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        handlers = [name for name in named if name.startswith("on") or name == MARK]
        self.found += [f"<{tag} {name}>" for name in handlers]
        led_to = [named.get(name) or "" for name in ("href", "src", "action", "formaction")]
        self.found += [f"<{tag} {address}>" for address in led_to if address.startswith("javascript:")]
        if tag == MARK or named.get("src") == "x":
            self.found.append(f"<{tag}>")
        self._in_script = tag == "script"
        self._is_data = named.get("type") == "application/json"

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, text: str) -> None:
        if self._in_script and not self._is_data and MARK in text:
            self.found.append(f"<script>{text[:40]}")
