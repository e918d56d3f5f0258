"""What a browser needs to install the site as an app, and to open it without a network.

All of it is public and the same for everybody: what the worker keeps of a user it keeps in the user's own browser.
"""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from notifications.delivery import vapid

# Each is a classic script; they share the worker's global scope.
WORKER_SCRIPTS = ("worker/offline.js", "worker/push.js")
# What the offline page is made of; the worker keeps them from its installation on.
OFFLINE_FILES = (
    "vendor/bootstrap/bootstrap.min.css",
    "css/icons.css",
    "css/zenithedge.css",
    "vendor/inter/files/inter-latin-wght-normal.woff2",
    "icon.svg",
)
# --back and --surface of the style sheet, by theme.
BACKGROUNDS = {"dark": "#0b0d12", "light": "#f5f6fa"}


@require_safe
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """At the root, because a worker rules over what lies beneath its own address."""
    config = {
        "offlinePage": reverse("offline"),
        "files": [static(name) for name in OFFLINE_FILES],
        "push": {
            "key": vapid.public_key(),
            "renew": reverse("api_renew_push"),
            "badge": static("icons/badge-96.png"),
            "markRead": _("Mark read"),
            "somethingNew": _("There is something new."),
        },
    }
    scripts = ", ".join(json.dumps(static(name)) for name in WORKER_SCRIPTS)
    source = f"self.zenithedge = {json.dumps(config)};\nimportScripts({scripts});\n"
    return HttpResponse(source, content_type="text/javascript; charset=utf-8")


@require_safe
@cache_control(max_age=60 * 60)
def manifest(request: HttpRequest) -> JsonResponse:
    """The web app manifest (https://www.w3.org/TR/appmanifest/)."""
    content = {
        "id": "/",
        "name": "ZenithEdge",
        "short_name": "ZenithEdge",
        "description": _("Trading insights, the moment they are made."),
        "start_url": reverse("dashboard"),
        "scope": "/",
        "display": "standalone",
        "theme_color": BACKGROUNDS["dark"],
        "background_color": BACKGROUNDS["dark"],
        "categories": ["finance"],
        "icons": [
            _icon("app-192.png", "192x192", "any"),
            _icon("app-512.png", "512x512", "any"),
            _icon("app-maskable-512.png", "512x512", "maskable"),
        ],
        "shortcuts": [
            {"name": _("Unread insights"), "url": f"{reverse('history')}?unread=1"},
            {"name": _("History"), "url": reverse("history")},
            {"name": _("Preferences"), "url": reverse("preferences")},
        ],
    }
    return JsonResponse(content, content_type="application/manifest+json")


@require_safe
@cache_control(no_cache=True)
def offline(request: HttpRequest) -> HttpResponse:
    """What the worker shows when the site cannot be reached. It puts the kept list between the page's two marks."""
    return render(request, "offline.html")


def _icon(name: str, sizes: str, purpose: str) -> dict[str, str]:
    return {"src": static(f"icons/{name}"), "sizes": sizes, "type": "image/png", "purpose": purpose}
