"""A public authority that signs for whoever answers at a name (ACME, RFC 8555): acme2certifier, outside all hosts.

It looks at port 80 of each name, as those of the world do, and keeps its accounts and orders in a file of the network.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

from werkzeug.serving import make_server

from preau.demo.authority import Authority
from tests.hosts.laboratory import OUTSIDE, add_aliases
from tests.hosts.networks import Network

NAME: Final = "signatures.example"
PORT: Final = 14000
_SETTINGS: Final = """
[DEFAULT]
server_name: {name}:{port}
dns_server_list: {resolvers}
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: {folder}/authority.key
issuing_ca_cert: {certificate}
issuing_ca_crl: {folder}/revoked.crl
cert_save_path: {folder}/issued
cert_validity_days: 90
# Python 3.13 takes none without a subject whose names are not marked critical (RFC 5280, 4.2.1.6).
cn_enforce: True
[DBhandler]
handler_module: acme2certifier.dbhandlers.wsgi_handler
dbfile: {folder}/orders.db
[Certificate]
[Challenge]
[Order]
"""


@contextmanager
def signing(network: Network, authority: Authority) -> Iterator[str]:
    """The authority at work, with the name and key of one that all hosts believe; the address of its directory."""
    folder = network.folder / "acme"
    (folder / "issued").mkdir(parents=True)
    authority.hand_over_key(folder / "authority.key")
    settings = folder / "settings.cfg"
    told = {"name": NAME, "port": PORT, "resolvers": json.dumps([network.gateway]), "folder": folder}
    settings.write_text(_SETTINGS.format(**told, certificate=authority.certificate))
    os.environ["ACME_SRV_CONFIGFILE"] = str(settings)
    from acme2certifier.share.acme2certifier_wsgi import application  # noqa: PLC0415 -- reads its settings now

    issued = authority.issue("signatures", hosts=(NAME,))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    add_aliases(network, {NAME: OUTSIDE})
    server = make_server(network.gateway, PORT, application, threaded=True, ssl_context=context)
    thread = Thread(target=server.serve_forever, name="acme", daemon=True)
    thread.start()
    try:
        yield f"https://{NAME}:{PORT}/directory"
    finally:
        server.shutdown()
        thread.join(timeout=10)
