"""A language for tests in which every text that went through gettext shows: ⟦Ẽṽẽřŷ ĺẽťťẽř⟧ has a mark.

So a letter without one, in what a person sees, is a text that somebody forgot to wrap, or it is data.
"""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog
from django.apps import apps
from django.conf import locale as django_locale

from scripts import messages

LANGUAGE = "en-xa"
LOCALE = "en_XA"

PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARKED = "áḃćďéḟǵĥíĵķĺḿńóṕʠŕśťúṽẃẋýžÁḂĆĎÉḞǴĤÍĴĶĹḾŃÓṔɊŔŚŤÚṼẂẊÝŽ"
MARKS = str.maketrans(PLAIN, MARKED)
# What has to stay as it is: values' places, tags, entities.
KEPT = re.compile(r"(%(?:\(\w+\))?[sdif]|%%|\{[^{}]*\}|<[^<>]*>|&\w+;)")


def marked(text: str) -> str:
    parts = KEPT.split(text)
    return "⟦" + "".join(part if at % 2 else part.translate(MARKS) for at, part in enumerate(parts)) + "⟧"


def write(directory: Path) -> None:
    """Both domains' compiled catalogues, in the places where Django looks for them below this directory."""
    for domain in messages.SOURCES:
        catalog = messages.extracted(domain)
        if domain == "django":
            add_djangos_own(catalog)
        for message in catalog:
            if isinstance(message.id, tuple | list):
                message.string = tuple(marked(text) for text in message.id)
            elif message.id:
                message.string = marked(message.id)
        path = directory / LOCALE / "LC_MESSAGES" / f"{domain}.mo"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            mofile.write_mo(file, catalog)


def add_djangos_own(catalog: Catalog) -> None:
    roots = [Path(django_locale.__path__[0]), *(Path(app.path) / "locale" for app in apps.get_app_configs())]
    for root in roots:
        path = root / "en" / "LC_MESSAGES" / "django.po"
        if not path.exists():
            continue
        with path.open("rb") as file:
            known = pofile.read_po(file)
        for message in known:
            if message.id and message.id not in catalog:
                catalog.add(message.id, context=message.context)
