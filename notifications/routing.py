"""Addresses of the sockets."""

from django.urls import path, re_path

from notifications.consumers import InsightConsumer
from notifications.origins import refuse

websocket_urlpatterns = [
    path("stream/insights/<int:user_id>/", InsightConsumer.as_asgi()),
    # Without it the router raises for an unknown address: a traceback in the log for every scanner that knocks.
    re_path(r"", refuse),  # type: ignore[arg-type]  # made for views
]
