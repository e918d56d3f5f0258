"""`make messages`: bring locale/ up to date with the texts in the code, without GNU gettext.

Extracts the texts of Python, templates and scripts, merges them into each language's .po files (what changed is marked
fuzzy, what went is dropped), and compiles those to the .mo files that Django reads. The compiled ones are kept in the
repository: a machine that only runs the site has nothing to compile with.
"""

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import django
from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from django.utils.translation.template import templatize

from zenithedge import labels

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
LANGUAGES = ("de",)

KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
# For each of Django's two domains: which files, and how to read them.
SOURCES = {
    "django": {
        "python": ["notifications/**/*.py", "signals/**/*.py", "zenithedge/**/*.py"],
        "template": ["templates/**/*.html", "templates/**/*.txt"],
    },
    "djangojs": {"javascript": ["static/notifications/*.js", "static/worker/*.js"]},
}


def template(file: Any, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Any]:
    """Babel's way to read a Django template: as Django's own makemessages turns it into calls."""
    from babel.messages.extract import extract_python

    code = templatize(file.read().decode())
    # What is left of the text between the calls keeps its place on the line, which Python would read as indentation.
    lines = "\n".join(line.strip() for line in code.split("\n"))
    yield from extract_python(BytesIO(lines.encode()), keywords, comment_tags, {"encoding": "utf-8"})


def extracted(domain: str) -> Catalog:
    """Every text of the domain, with the files that have it."""
    catalog = Catalog(project="ZenithEdge", charset="utf-8", fuzzy=False)
    for method, patterns in SOURCES[domain].items():
        for path in sorted({path for pattern in patterns for path in ROOT.glob(pattern)}):
            if "tests" in path.parts or "migrations" in path.parts:
                continue
            found = extract_from_file(template if method == "template" else method, path, KEYWORDS, ("Translators:",))
            for _line, text, comments, context in found:
                catalog.add(text, locations=[(str(path.relative_to(ROOT)), 0)], auto_comments=comments, context=context)
    if domain == "django":
        for model, text in labels.texts():
            catalog.add(text, locations=[(model, 0)])
    return catalog


def po_path(language: str, domain: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def read(path: Path, language: str) -> Catalog:
    with path.open("rb") as file:
        return pofile.read_po(file, locale=language)


def merged(language: str, domain: str) -> Catalog:
    """The language's catalogue as the texts in the code have it now."""
    path = po_path(language, domain)
    catalog = read(path, language) if path.exists() else Catalog(locale=language, project="ZenithEdge", fuzzy=False)
    catalog.update(extracted(domain), update_creation_date=False)
    catalog.obsolete.clear()
    return catalog


def as_po(catalog: Catalog) -> bytes:
    buffer = BytesIO()
    pofile.write_po(buffer, catalog, width=120, sort_by_file=True, include_lineno=False)
    return buffer.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    buffer = BytesIO()
    mofile.write_mo(buffer, catalog)
    return buffer.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """The texts that nobody has translated, or that changed since."""
    return [str(message.id) for message in catalog if message.id and (message.fuzzy or not _is_whole(message.string))]


def _is_whole(text: str | tuple[str, ...] | list[str] | None) -> bool:
    return bool(text) and (isinstance(text, str) or all(text or ()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make messages", description=__doc__)
    parser.add_argument("--missing", action="store_true", help="list the texts without a translation")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenithedge.settings")
    django.setup()
    for language in LANGUAGES:
        for domain in SOURCES:
            catalog = merged(language, domain)
            catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)  # git knows; else every run would change the file
            path = po_path(language, domain)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_po(catalog))
            path.with_suffix(".mo").write_bytes(as_mo(catalog))
            lacking = missing(catalog)
            print(f"{path.relative_to(ROOT)}: {len(catalog)} texts, {len(lacking)} without a translation")
            if options.missing:
                print(*lacking, sep="\n")


if __name__ == "__main__":
    main()
