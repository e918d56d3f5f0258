"""Views that only a form posts to."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

View = Callable[..., HttpResponseBase]


def posted_from(page: str) -> Callable[[View], View]:
    """Make a view for the POST of a form on the page of that name, by somebody who is signed in.

    Its address is no page. Who opens it, from the address bar or by going back, is led to `page` and nothing is done;
    so is who had been signed out meanwhile, after signing in.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(resolve_url(page))
            if request.method != "POST":
                return redirect(page)
            return view(request, *args, **kwargs)

        return require_http_methods(["GET", "HEAD", "POST"])(wrapper)

    return decorate


def redirect_back(request: HttpRequest, otherwise: str = "history") -> HttpResponseRedirect:
    """To the page that the form names as `next` when it is one of ours, else to the page of the other name."""
    page = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(page if safe else resolve_url(otherwise))
