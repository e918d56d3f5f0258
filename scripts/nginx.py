"""nginx's configuration, made from deploy/nginx.conf.

    python -m scripts.nginx --name hub.example.org --server 127.0.0.1:8001 --server 127.0.0.1:8002 \\
        --certificate /etc/ssl/hub.pem --key /etc/ssl/hub.key --static /var/lib/zenithedge/static \\
        > /etc/nginx/conf.d/zenithedge.conf
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import resource
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent.parent / "deploy" / "nginx.conf"
# Alerts that may come at once, before the rate counts; TradingView sends the alerts of a bar's end together.
WEBHOOK_BURST = 60

# For a master process of one's own, as any account: everything it writes is in its own directory.
MAIN = """\
daemon off;
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
worker_processes auto;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/site.conf;
}}
"""


# Mozilla's "intermediate" (https://ssl-config.mozilla.org). HSTS is the application's to say, with every answer.
TLS = """\
    listen {listen} ssl http2;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
    ssl_prefer_server_ciphers off;
    ssl_session_timeout 1d;
    ssl_session_cache shared:zenithedge:10m;
    ssl_session_tickets off;"""
# Whoever comes without TLS; a certificate's authority asks here too (`certbot --webroot`).
REDIRECT = """\
server {{
    listen {listen};
    server_name {name};
    access_log {logs}/access.log zenithedge;
    error_log {logs}/error.log crit;
    server_tokens off;
    location /.well-known/acme-challenge/ {{ root /var/www/acme; }}
    location / {{ return 308 https://$host$request_uri; }}
}}"""
# An address with a release in it never changes its content. What is not here, such as a version that only an older
# server's pages name, the application may have.
STATIC = """\
    location ~ "^/static/(v-[0-9a-f]{{12}}/.+)$" {{
        alias {static}/$1;
        gzip_static on;
        types {{
            text/css css; text/javascript js mjs; application/json json map; image/svg+xml svg;
            image/png png; font/woff2 woff2; audio/wav wav;
        }}
        charset utf-8;
        charset_types text/css text/javascript application/json image/svg+xml;
        add_header Cache-Control "max-age=31536000, public, immutable";
        add_header X-Content-Type-Options nosniff;
        gzip_vary on;
        access_log off;
        log_not_found off;
        error_page 404 = @application;
    }}
    location @application {{
        proxy_pass http://zenithedge;
    }}"""

FROM_APPLICATION = "    # Static files come from the application, compressed."


@dataclass(frozen=True)
class Site:
    """One site behind nginx. Without a certificate it is plain HTTP, for a loopback interface or behind another proxy.

    With one, who comes to port `plain` is sent to https. `static` is the directory in which `collectstatic` has
    written; without one the application serves its static files. `webhook_rate` limits alerts for each sender's
    address, such as `10r/s`; TradingView sends those of all its users from four addresses.
    """

    servers: Sequence[str]
    _: KW_ONLY
    listen: str = "80"
    name: str = "_"
    logs: str = "/var/log/nginx"
    certificate: str = ""
    key: str = ""
    webhook_rate: str = ""
    static: str = ""
    plain: str = "80"

    def render(self) -> str:
        values = {
            # Without nginx's own record of failures: it forgives a server at the *end* of a good request, which for a
            # socket is hours away, and until then lets one connection through in each fail_timeout.
            "SERVERS": "\n".join(f"    server {server} max_fails=0;" for server in self.servers),
            "LISTEN": self._listen(),
            "SERVER_NAME": self.name,
            "SCHEME": "https" if self.certificate else "$scheme",
            "LOGS": self.logs,
            "REDIRECT": self._redirect(),
            "STATIC": STATIC.format(static=self.static) if self.static else FROM_APPLICATION,
            "WEBHOOK_ZONE": self._zone(),
            "WEBHOOK_LIMIT": self._limit(),
        }
        text = TEMPLATE.read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        return text

    def _listen(self) -> str:
        if not self.certificate:
            return f"    listen {self.listen};"
        return TLS.format(listen=self.listen, certificate=self.certificate, key=self.key)

    def _redirect(self) -> str:
        return REDIRECT.format(listen=self.plain, name=self.name, logs=self.logs) if self.certificate else ""

    def _zone(self) -> str:
        if not self.webhook_rate:
            return "# No limit for webhooks here: the application has one for each token."
        return f"limit_req_zone $binary_remote_addr zone=webhook:10m rate={self.webhook_rate};\nlimit_req_status 429;"

    def _limit(self) -> str:
        return f"limit_req zone=webhook burst={WEBHOOK_BURST} nodelay;" if self.webhook_rate else ""


def write_own(site: Site, directory: Path) -> Path:
    """The configuration of an nginx that needs no rights and no files but those in `directory`; returns its path."""
    account = pwd.getpwuid(os.geteuid()).pw_name
    user = f"user {account} {_group()};" if os.geteuid() == 0 else ""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)  # a socket takes two in a worker
    (directory / "site.conf").write_text(site.render(), encoding="utf-8")
    main = directory / "nginx.conf"
    main.write_text(MAIN.format(user=user, directory=directory, files=files), encoding="utf-8")
    return main


def _group() -> str:
    return grp.getgrgid(os.getegid()).gr_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", required=True, dest="servers", help="an ASGI server's address")
    parser.add_argument("--name", required=True, help="the host name, as in SITE_URL")
    parser.add_argument("--listen", default="443", help="port, or address and port")
    parser.add_argument("--certificate", default="", help="without one: plain HTTP, behind another proxy")
    parser.add_argument("--key", default="")
    parser.add_argument("--logs", default="/var/log/nginx", help="directory of the logs")
    parser.add_argument("--static", default="", help="where collectstatic wrote; without it the application serves")
    parser.add_argument(
        "--plain", default="80", help="the port whose requests are sent to https (default: %(default)s)"
    )
    parser.add_argument("--webhook-rate", default="", help="alerts for each sender's address, such as 10r/s")
    print(Site(**vars(parser.parse_args())).render(), end="")


if __name__ == "__main__":
    main()
