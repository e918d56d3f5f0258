"""The one ASGI application: pages and API through Django, sockets through Channels; runs under daphne and uvicorn."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenithedge.settings")
django_application = get_asgi_application()  # before anything that imports a model

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from notifications import worker  # noqa: E402
from notifications.origins import SiteOriginValidator  # noqa: E402
from notifications.routing import websocket_urlpatterns  # noqa: E402
from zenithedge.bodies import bound_daphnes_bodies  # noqa: E402
from zenithedge.daphne_sockets import bound_daphnes_sockets  # noqa: E402
from zenithedge.logs import mask_server_access_logs  # noqa: E402

mask_server_access_logs()
bound_daphnes_bodies()
bound_daphnes_sockets()
application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": SiteOriginValidator(URLRouter(websocket_urlpatterns)),
    }
)

if settings.NOTIFICATIONS_WORKER:
    worker.start()  # this module is imported by server processes only
