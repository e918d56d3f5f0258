"""Addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from zenithedge import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("django.contrib.auth.urls")),
    path("signals/", include("signals.urls")),
    path("notifications/", include("notifications.urls")),
    path("", include("notifications.dashboard_urls")),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
]
