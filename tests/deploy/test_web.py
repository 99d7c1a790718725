"""The proxy as the role ``web`` sets it up: which path goes where, what is closed, and what is written down."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from preau.demo.authority import Authority
from tests.deploy.proxying import APEX, CHAT, CLIENT_PAGE, MATRIX, NAMES, PORTAL, Answer, Behind, Proxy, running_proxy
from tests.nginx_server import NginxMissing

SEARCH = "/_matrix/client/v3/user_directory/search"
ROOM = "/_matrix/client/v3/rooms/%21salon"
LARGEST = 50 * 1024 * 1024


@pytest.fixture(scope="module")
def behind() -> dict[str, Behind]:
    names = ("client", "federation", "generic1", "generic2", "dead")
    servers = {name: Behind(name) for name in names}
    servers["dead"].stop()
    return servers


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, behind: dict[str, Behind]) -> Iterator[Proxy]:
    """One with workers, narrow rates, and a load balancer that is believed at 127.0.0.7."""
    generic = {"servers": [behind["generic1"].server, behind["generic2"].server]}
    upstreams = {
        "client": {"servers": [behind["client"].server]},
        "federation": {"servers": [behind["federation"].server]},
        "generic": generic,
        "halved": {"servers": [behind["dead"].server, behind["generic1"].server]},
        "dead": {"servers": [behind["dead"].server]},
    }
    routes = [
        {"regex": "^/_matrix/client/(r0|v3)/sync$", "upstream": "generic", "balance": "user"},
        {"regex": "^/_matrix/client/v3/rooms/[^/]+/messages$", "upstream": "generic", "balance": "room"},
        {"regex": r"^/_matrix/client/v\d+/halved$", "upstream": "halved"},
        {"regex": "^/_matrix/client/v3/dead$", "upstream": "dead"},
        {"regex": "^/_matrix/federation/v1/send/", "upstream": "generic", "balance": "address"},
    ]
    try:
        with running_proxy(
            tmp_path_factory.mktemp("proxy"),
            upstreams,
            web_routes=routes,
            web_search_rate="1r/m",
            web_search_burst=3,
            web_login_rate="1r/m",
            web_login_burst=40,
            web_trusted_proxies=["127.0.0.7"],
            web_support_page="https://aide.nord.example/",
        ) as running:
            yield running
    except NginxMissing as reason:
        pytest.skip(f"nginx: {reason}")


# --- Which path goes where ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/_matrix/client/versions", "client"),
        ("/_matrix/client/v3/login", "client"),
        (f"{ROOM}/send/m.room.message/1", "client"),
        # A type of event or a state key may be called anything.
        (f"{ROOM}/state/register/admin", "client"),
        (f"{ROOM}/send/register/1", "client"),
        ("/_matrix/client/v3/profile/@.:nord.example", "client"),
        ("/_matrix/client/v3/account/3pid", "client"),
        ("/_matrix/client/v3/account/password", "client"),
        ("/_matrix/media/v3/config", "client"),
        ("/_matrix/client/v1/media/download/nord.example/abc", "client"),
        ("/_matrix/federation/v1/version", "federation"),
        ("/_matrix/federation/v2/send_join/%21salon/%24x", "federation"),
        ("/_matrix/key/v2/server", "federation"),
        ("/_matrix/client/v3/sync?timeout=30000", "generic"),
        (f"{ROOM}/messages?dir=b", "generic"),
        ("/_matrix/client/v3/syncs", "client"),
    ],
)
def test_a_path_reaches_whom_it_is_for_as_it_came(proxy: Proxy, path: str, who: str) -> None:
    answer = proxy.ask(path)
    assert answer.status == 200
    assert answer.who.rstrip("12") == who
    assert answer.json["path"] == path


@pytest.mark.parametrize("name", [APEX, MATRIX])
@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/_matrix/federation/v1/version", "federation"),
        ("/_matrix/federation/v1/send/1", "generic"),
        ("/_matrix/key/v2/server", "federation"),
    ],
)
def test_federation_has_a_port_of_its_own_for_who_could_not_fetch_our_document(
    proxy: Proxy, name: str, path: str, who: str
) -> None:
    answer = proxy.ask(path, name, port=proxy.federation_port)
    assert (answer.status, answer.who.rstrip("12")) == (200, who)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/_matrix/client/versions",
        "/_matrix/client/v3/sync",
        "/_matrix/client/v3/login",
        "/_matrix/media/v3/config",
        "/_synapse/admin/v1/register",
        "/_matrix/federation/../../_synapse/admin/v1/register",
        "/_matrix/federation/..%2f..%2f_synapse/admin/v1/register",
        "/.well-known/matrix/server",
        "/health",
    ],
)
def test_nothing_but_federation_has_that_port(proxy: Proxy, path: str) -> None:
    answer = proxy.ask(path, port=proxy.federation_port)
    assert (answer.status, answer.who) == (404, "proxy")


@pytest.mark.parametrize("version", ["r0", "v3", "unstable", "api/v1"])
def test_a_search_for_people_is_turned_to_the_guard(proxy: Proxy, version: str) -> None:
    body = b'{"search_term": "nour"}'
    path = f"/_matrix/client/{version}/user_directory/search"
    answer = proxy.ask(path, method="POST", body=body, headers={"Authorization": "Bearer syt_bm91cg_a_1"})
    assert answer.json["path"] == "/_synapse/client/preau/v1/search"
    assert answer.json["body"] == body.decode()
    assert answer.json["headers"]["Authorization"] == "Bearer syt_bm91cg_a_1"


ADMIN = "/_synapse/admin/v2/users/%40a%3Anord.example"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/_matrix",
        "/_matrix/static/",
        "/_synapse",
        "/_synapse/admin/v1/register",
        ADMIN,
        "/_synapse/metrics",
        "/_synapse/replication/",
        "/_synapse/client/pick_idp",
        "/_synapse/client/preau/v1/search",
        "/_synapse/client/preau/v1/facts",
        "/_synapse/client/preau/v1/status",
        "/_matrix/client/v3/register",
        "/_matrix/client/r0/register?kind=guest",
        "/_matrix/client/api/v1/register",
        "/_matrix/client/v3/register/available",
        "/_matrix/client/v3/register/email/requestToken",
        "/_matrix/client/v1/register/m.login.registration_token/validity",
        "/_matrix/client/v3/account/password/email/requestToken",
        "/_matrix/client/v3/account/3pid/bind",
        "/_matrix/client/v3/admin/whois/@a:nord.example",
        "/_matrix/client/unstable/uk.timedout.msc4323/admin/suspend/@a:nord.example",
        # Written so that one reader sees one path, and another sees another.
        "//_synapse/admin/v1/register",
        "/_SYNAPSE/admin/v1/register",
        "/%5fsynapse/admin/v1/register",
        "/_matrix/../_synapse/admin/v1/register",
        "/_matrix/client/../../_synapse/admin/v1/register",
        "/_matrix/client/%2e%2e/%2e%2e/_synapse/admin/v1/register",
        "/_matrix/client/..%2f..%2f_synapse/admin/v1/register",
        "/_matrix/client/v3/%72egister",
        "/_matrix/client/v3/register/",
        "/_matrix//client/v3/register",
        f"{ADMIN}/..%2f..%2f..%2f..%2f..%2f_matrix/client/versions",
        f"{ADMIN}%2f..%2f..%2f..%2f..%2f..%2f_matrix/client/versions",
        f"{ADMIN}/../../../../../_matrix/client/versions",
        "/_synapse/client/preau/v1/facts/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/_matrix/client/versions",
        "/_matrix/federation/..%2fclient/v3/login",
        "/_matrix/key/%2e%2e/client/v3/login",
        "/_matrix/client/v3/.",
        "https://matrix.nord.example/_synapse/admin/v1/register",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_nothing_else_is_let_through(proxy: Proxy, path: str, method: str) -> None:
    answer = proxy.ask(path, method=method)
    assert answer.who == "proxy"
    assert answer.status in {302, 400, 403, 404, 405}


def test_whoever_is_refused_in_a_browser_may_read_why(proxy: Proxy) -> None:
    answer = proxy.ask("/_matrix/client/v3/register", method="POST")
    assert answer.status == 403
    assert answer.json["errcode"] == "M_FORBIDDEN"
    assert "listes des établissements" in answer.json["error"]
    assert answer.all("Access-Control-Allow-Origin") == ["*"]
    assert answer.all("Content-Type") == ["application/json"]


def test_one_person_stays_on_one_worker_with_every_device(proxy: Proxy) -> None:
    def workers(user: str) -> set[str]:
        tokens = [f"syt_{user}_{secrets.token_hex(8)}" for _ in range(6)]
        by_header = [proxy.ask("/_matrix/client/v3/sync", headers={"Authorization": f"Bearer {it}"}) for it in tokens]
        by_query = [proxy.ask(f"/_matrix/client/v3/sync?access_token={it}") for it in tokens]
        return {answer.who for answer in (*by_header, *by_query)}

    everybody = [workers(f"cGVyc29uLTA{number}") for number in range(12)]
    assert all(len(those) == 1 for those in everybody)
    assert len(set[str]().union(*everybody)) == 2


def test_one_room_stays_on_one_worker(proxy: Proxy) -> None:
    path = "/_matrix/client/v3/rooms/%21salon{}/messages"
    rooms = [{proxy.ask(path.format(room)).who for _ in range(3)} for room in range(12)]
    assert all(len(workers) == 1 for workers in rooms)
    assert len(set[str]().union(*rooms)) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_worker_that_is_gone_is_passed_over(proxy: Proxy, method: str) -> None:
    answers = [proxy.ask("/_matrix/client/v3/halved", method=method, body=b"{}") for _ in range(6)]
    assert {answer.who for answer in answers} == {"generic1"}


def test_whoever_finds_nobody_behind_is_told_so_in_words_a_client_reads(proxy: Proxy) -> None:
    answer = proxy.ask("/_matrix/client/v3/dead")
    assert answer.status == 502
    assert answer.json["errcode"] == "M_UNKNOWN"
    assert answer.all("Access-Control-Allow-Origin") == ["*"]
    assert answer.all("Retry-After") == ["5"]


# --- What Synapse is told of a visitor ----------------------------------------------------------------------------


def test_a_visitor_cannot_pretend_to_be_elsewhere(proxy: Proxy) -> None:
    lies = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "http", "X-Real-IP": "203.0.113.5"}
    told = proxy.ask("/_matrix/client/versions", headers=lies).json["headers"]
    assert told["X-Forwarded-For"] == "127.0.0.1"
    assert told["X-Forwarded-Proto"] == "https"
    assert told["Host"] == MATRIX


def test_a_load_balancer_that_is_named_is_believed(tmp_path: Path, behind: dict[str, Behind]) -> None:
    both = {name: {"servers": [behind[name].server]} for name in ("client", "federation")}
    try:
        with running_proxy(tmp_path, both, web_trusted_proxies=["127.0.0.0/8"], web_log_addresses="full") as proxy:
            answer = proxy.ask("/_matrix/client/versions", headers={"X-Forwarded-For": "198.51.100.9, 203.0.113.5"})
            assert answer.json["headers"]["X-Forwarded-For"] == "203.0.113.5"
            proxy.records("203.0.113.5 [")
    except NginxMissing as reason:
        pytest.skip(f"nginx: {reason}")


# --- Names and TLS ------------------------------------------------------------------------------------------------


def test_an_unknown_name_gets_no_greeting(proxy: Proxy) -> None:
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"), proxy.connect("autre.example"):
        pass


def test_an_unknown_name_after_the_greeting_is_misdirected(proxy: Proxy) -> None:
    answer = proxy.ask("/_matrix/client/versions", "autre.example", greeting=MATRIX)
    assert (answer.status, answer.who) == (421, "proxy")


def test_no_old_tls_is_spoken_and_no_tickets_are_given(proxy: Proxy) -> None:
    context = ssl.create_default_context(cafile=str(proxy.authority.certificate))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with proxy.connect(MATRIX, context) as connection:
        assert connection.cipher()[0].startswith("ECDHE-")  # type: ignore[index]
        assert connection.session is not None
        assert not connection.session.has_ticket
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError), proxy.connect(MATRIX, context):
        pass


def test_http_2_is_offered(proxy: Proxy) -> None:
    context = ssl.create_default_context(cafile=str(proxy.authority.certificate))
    context.set_alpn_protocols(["h2", "http/1.1"])
    for name in NAMES:
        with proxy.connect(name, context) as connection:
            assert connection.selected_alpn_protocol() == "h2"


def test_without_tls_there_is_a_redirect_and_an_answer_to_the_authority(proxy: Proxy) -> None:
    for name in NAMES:
        answer = proxy.ask_plainly("/_matrix/client/versions?x=1", name)
        assert (answer.status, answer.all("Location")) == (301, [f"https://{name}/_matrix/client/versions?x=1"])
        assert proxy.ask_plainly("/.well-known/acme-challenge/token", name).body == b"answer"
        assert proxy.ask_plainly("/.well-known/acme-challenge/other", name).status == 404


def test_without_tls_an_unknown_name_is_answered_nothing(proxy: Proxy) -> None:
    with pytest.raises(ConnectionError):
        proxy.ask_plainly("/", "autre.example")


# --- Headers ------------------------------------------------------------------------------------------------------

PAGES = [
    (MATRIX, "/_matrix/client/versions"),
    (MATRIX, "/_matrix/client/v3/register"),
    (MATRIX, "/_matrix/client/v3/dead"),
    (MATRIX, "/elsewhere"),
    (MATRIX, "/.well-known/matrix/client"),
    (CHAT, "/"),
    (CHAT, "/config.json"),
    (CHAT, "/bundles/abc/app.js"),
    (CHAT, "/elsewhere"),
    (PORTAL, "/"),
    (PORTAL, "/elsewhere"),
    (APEX, "/.well-known/matrix/server"),
    (APEX, "/elsewhere"),
]


@pytest.mark.parametrize(("host", "path"), PAGES, ids=lambda part: part)
def test_every_answer_has_each_header_once_and_tells_no_version(proxy: Proxy, host: str, path: str) -> None:
    answer = proxy.ask(path, host)
    assert answer.all("Strict-Transport-Security") == ["max-age=31536000"]
    assert answer.all("X-Content-Type-Options") == ["nosniff"]
    assert answer.all("Referrer-Policy") == ["no-referrer"]
    assert len(answer.all("Permissions-Policy")) == 1
    assert answer.all("Server") == ["nginx"]
    policy = answer.all("Content-Security-Policy")
    assert len(policy) == 1
    # The client shows attachments in frames of its own.
    assert policy[0].endswith("frame-ancestors 'self'" if host == CHAT else "frame-ancestors 'none'")


def test_the_client_may_call_its_homeserver_and_nobody_else(proxy: Proxy) -> None:
    (policy,) = proxy.ask("/", CHAT).all("Content-Security-Policy")
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    elsewhere = {source for sources in rules.values() for source in sources if "//" in source or "*" in source}
    assert elsewhere == {f"https://{MATRIX}", f"https://{APEX}"}
    assert rules["default-src"] == ["'none'"]
    assert "'unsafe-eval'" not in policy


# --- Pages and documents ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [MATRIX, APEX])
def test_the_documents_say_where_the_homeserver_is(proxy: Proxy, host: str) -> None:
    answers = {name: proxy.ask(f"/.well-known/matrix/{name}", host) for name in ("client", "server", "support")}
    assert {name: answer.json for name, answer in answers.items()} == {
        "client": {
            "m.homeserver": {"base_url": f"https://{MATRIX}"},
            "io.element.e2ee": {"default": False, "force_disable": True},
        },
        "server": {"m.server": f"{MATRIX}:443"},
        "support": {"support_page": "https://aide.nord.example/"},
    }
    for answer in answers.values():
        assert answer.all("Content-Type") == ["application/json"]
        assert answer.all("Access-Control-Allow-Origin") == ["*"]
    assert proxy.ask("/.well-known/matrix/other", host).status == 404


def test_the_client_is_asked_for_anew_but_for_what_bears_a_checksum(proxy: Proxy) -> None:
    first = proxy.ask("/", CHAT)
    assert (first.status, first.body.decode()) == (200, CLIENT_PAGE)
    assert first.all("Cache-Control") == ["no-cache"]
    assert proxy.ask("/config.json", CHAT).all("Cache-Control") == ["no-cache"]
    bundle = proxy.ask("/bundles/abc/app.js", CHAT, headers={"Accept-Encoding": "gzip"})
    assert bundle.all("Cache-Control") == ["public, max-age=31536000, immutable"]
    assert bundle.all("Content-Encoding") == ["gzip"]
    # Element asks for a configuration of its host's own first.
    assert proxy.ask(f"/config.{CHAT}.json", CHAT).status == 404


def test_what_synapse_answers_is_not_compressed(proxy: Proxy) -> None:
    answer = proxy.ask(f"/_matrix/client/v3/{'x' * 3000}", headers={"Accept-Encoding": "gzip"})
    assert answer.who == "client"
    assert answer.all("Content-Encoding") == []


@pytest.mark.parametrize("path", ["/", "/console", "/console/signalements/1"])
def test_portal_and_console_say_that_they_are_to_come(proxy: Proxy, path: str) -> None:
    answer = proxy.ask(path, PORTAL)
    page = answer.body.decode()
    assert answer.status == 200
    assert '<html lang="fr">' in page
    assert '<p lang="en">' in page
    assert f'href="https://{CHAT}/"' in page


def test_portal_and_apex_show_nothing_else(proxy: Proxy) -> None:
    assert proxy.ask("/page.css", PORTAL).all("Content-Type") == ["text/css"]
    assert proxy.ask("/consoles", PORTAL).status == 404
    assert proxy.ask("/_matrix/client/versions", PORTAL).status == 404
    assert proxy.ask("/_matrix/client/versions", APEX).status == 404
    assert proxy.ask("/", APEX).all("Location") == [f"https://{PORTAL}/"]


def test_the_figures_are_on_loopback(proxy: Proxy) -> None:
    assert proxy.ask_plainly("/status", "127.0.0.1", proxy.status_port).body.startswith(b"Active connections: ")
    assert proxy.ask_plainly("/other", "127.0.0.1", proxy.status_port).status == 404
    assert f"listen 127.0.0.1:{proxy.status_port};" in (proxy.folder / "nginx.conf").read_text()


# --- Bounds -------------------------------------------------------------------------------------------------------


def too_many(answer: Answer) -> bool:
    if answer.status != 429:
        return False
    assert answer.json["errcode"] == "M_LIMIT_EXCEEDED"
    assert answer.all("Access-Control-Allow-Origin") == ["*"]
    assert answer.all("Retry-After") == ["2"]
    return True


def test_each_token_searches_so_often_and_others_go_on(proxy: Proxy) -> None:
    def search(token: str) -> Answer:
        return proxy.ask(SEARCH, method="POST", body=b"{}", headers={"Authorization": f"Bearer {token}"})

    assert [too_many(search("syt_one_a_1")) for _ in range(6)] == [False] * 4 + [True] * 2
    assert not too_many(search("syt_two_a_1"))
    by_query = proxy.ask(f"{SEARCH}?access_token=syt_one_a_1", method="POST", body=b"{}")
    assert too_many(by_query)


def test_other_requests_are_not_counted(proxy: Proxy) -> None:
    headers = {"Authorization": "Bearer syt_three_a_1"}
    answers = [proxy.ask("/_matrix/client/versions", headers=headers) for _ in range(60)]
    answers += [proxy.ask("/_matrix/client/v3/login") for _ in range(60)]
    answers += [proxy.ask(SEARCH, method="OPTIONS", headers=headers) for _ in range(60)]
    assert not any(map(too_many, answers))


def test_too_large_a_file_is_refused_before_it_is_sent(proxy: Proxy) -> None:
    path = "/_matrix/media/v3/upload"
    answer = proxy.ask(path, method="POST", headers={"Content-Length": str(LARGEST + 1)})
    assert (answer.status, answer.json["errcode"]) == (413, "M_TOO_LARGE")
    assert answer.all("Access-Control-Allow-Origin") == ["*"]


# --- Records ------------------------------------------------------------------------------------------------------


def test_no_token_is_written_down_whatever_happens(proxy: Proxy) -> None:
    token = f"syt_secret_{secrets.token_hex(16)}"
    header = {"Authorization": f"Bearer {token}"}
    for path in (
        "/_matrix/client/versions",
        "/_matrix/client/v3/dead",
        "/_matrix/client/v3/register",
        "/nowhere",
        SEARCH,
    ):
        for method in ("GET", "POST"):
            for _ in range(5):
                proxy.ask(f"{path}?access_token={token}", method=method)
                proxy.ask(path, method=method, headers=header)
    proxy.ask(f"/_matrix/media/v3/upload?access_token={token}", method="POST", headers={"Content-Length": "99999999"})
    proxy.ask(f"/config.json/?loginToken={token}", CHAT, headers={"Referer": f"https://{CHAT}/?loginToken={token}"})
    proxy.ask_plainly(f"/?access_token={token}", MATRIX)
    proxy.ask("/the-end")
    lines = [f'"{line}"' for line in ("GET /_matrix/client/v3/dead HTTP/1.1", "GET /config.json/ HTTP/1.1")]
    assert token not in proxy.records(*lines, '"POST /_matrix/media/v3/upload HTTP/1.1" 413', "/the-end")


def test_a_visitor_is_written_down_by_their_network_only(proxy: Proxy) -> None:
    proxy.ask("/a-visit")
    proxy.records("/a-visit")
    lines = (proxy.folder / "logs/access.log").read_text().splitlines()
    assert all(line.startswith("127.0.0.0 [") for line in lines)


# Last: it uses up the address's share of logins and searches.
def test_each_address_tries_so_often_to_log_in_or_to_search_with_made_up_tokens(proxy: Proxy) -> None:
    def made_up() -> Answer:
        headers = {"Authorization": f"Bearer {secrets.token_hex(8)}"}
        return proxy.ask(SEARCH, method="POST", body=b"{}", headers=headers)

    assert any(too_many(made_up()) for _ in range(45))
    assert too_many(proxy.ask("/_matrix/client/v3/login", method="POST", body=b"{}"))
    assert not too_many(proxy.ask("/_matrix/client/versions"))


# --- TLS to what stands behind ------------------------------------------------------------------------------------

INTERNAL = "hosts.nord.internal"


@pytest.mark.parametrize(
    ("signed_by", "bears", "status"),
    [("ours", INTERNAL, 200), ("ours", "autre.internal", 502), ("theirs", INTERNAL, 502)],
)
def test_a_host_behind_must_prove_itself(tmp_path: Path, signed_by: str, bears: str, status: int) -> None:
    authorities = {name: Authority(tmp_path / name) for name in ("ours", "theirs")}
    behind = Behind("client", authorities[signed_by].issue("host", hosts=(bears,)))
    upstream = {"servers": [behind.server], "tls": True, "server_name": INTERNAL}
    both = {"client": upstream, "federation": upstream}
    folder = tmp_path / "proxy"
    folder.mkdir()
    try:
        with running_proxy(folder, both, web_upstream_ca=str(authorities["ours"].certificate)) as proxy:
            assert proxy.ask("/_matrix/client/versions").status == status
    except NginxMissing as reason:
        pytest.skip(f"nginx: {reason}")
