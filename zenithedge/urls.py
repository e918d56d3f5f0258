"""Addresses of the site."""

from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy

from zenithedge import exposition, health, installing
from zenithedge.sign_in import ThrottledPasswordChangeView, ThrottledPasswordResetView, admin_password_change

# Under the API these answer in JSON; elsewhere they are Django's own.
handler400 = "notifications.api.bad_request"
handler500 = "notifications.api.server_error"

admin.site.site_header = admin.site.site_title = gettext_lazy("ZenithEdge administration")

urlpatterns = [
    path("admin/password_change/", admin.site.admin_view(admin_password_change, cacheable=True)),  # before its own
    path("admin/", admin.site.urls),
    path("accounts/password_reset/", ThrottledPasswordResetView.as_view(), name="password_reset"),
    path("accounts/password_change/", ThrottledPasswordChangeView.as_view(), name="password_change"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("signals/", include("signals.urls")),
    path("notifications/", include("notifications.urls")),
    path("", include("notifications.dashboard_urls")),
    path("sw.js", installing.service_worker, name="service_worker"),
    path("manifest.webmanifest", installing.manifest, name="manifest"),
    path("offline/", installing.offline, name="offline"),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", exposition.metrics, name="metrics"),
]
