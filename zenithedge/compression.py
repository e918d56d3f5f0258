"""Static texts go out compressed, without a step before the first start and without files beside the sources.

Their life in the browser's cache is short, because their names do not change with their contents; after it the browser
asks again, and is told that nothing has changed. Only what `collectstatic` has put under the address of a release is
kept for ever. A proxy that compresses by itself finds nothing left to do.
"""

import gzip

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import re_accepts_gzip
from django.utils.cache import patch_vary_headers
from servestatic.middleware import ServeStaticMiddleware
from servestatic.responders import Redirect, StaticFile

from zenithedge import static_versions

TEXTS = ("text/", "application/javascript", "application/json", "image/svg+xml")
FONT_LIFE = "max-age=604800, public"  # a font that has to be asked for again comes too late for the first paint
SMALLEST_BYTES = 500  # below it the headers outweigh what is saved

# By address: the file's version, and its compressed content. Each is compressed once in the life of a process.
_compressed: dict[str, tuple[str, bytes]] = {}


class CompressingStaticMiddleware(ServeStaticMiddleware):  # type: ignore[misc]  # servestatic ships no types  # type: ignore[misc]  # is Any for the type checker
    def immutable_file_test(self, path: str, url: str) -> bool:
        """The class's own knows hashes in file names only."""
        return static_versions.is_versioned(url.removeprefix(self.static_prefix))

    async def aserve(self, static_file: StaticFile | Redirect, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await ServeStaticMiddleware.aserve(static_file, request)
        if request.path_info.endswith(".woff2"):
            response.headers["Cache-Control"] = FONT_LIFE
        if not _is_whole_text(request, response):
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        if not re_accepts_gzip.search(request.headers.get("Accept-Encoding", "")):
            return response
        body = await _compress(request.path_info, response)
        response.close()
        headers = {**response.headers, "Content-Encoding": "gzip", "Content-Length": str(len(body))}
        return HttpResponse(body, headers=headers)


def _is_whole_text(request: HttpRequest, response: HttpResponseBase) -> bool:
    return (
        request.method == "GET"
        and response.status_code == 200
        and "Content-Encoding" not in response.headers  # collected files have their compressed forms beside them
        and response.headers.get("Content-Type", "").startswith(TEXTS)
        and int(response.headers.get("Content-Length", 0)) >= SMALLEST_BYTES
    )


async def _compress(address: str, response: HttpResponseBase) -> bytes:
    version = response.headers["ETag"]
    known_version, body = _compressed.get(address, ("", b""))
    if known_version != version:
        text = b"".join([chunk async for chunk in response])  # type: ignore[attr-defined]  # streams, as all files do
        body = await sync_to_async(gzip.compress, thread_sensitive=False)(text)
        _compressed[address] = (version, body)
    return body
