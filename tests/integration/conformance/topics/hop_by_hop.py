"""Fields that are for one hop only, and fields that are added on the way (RFC 9110 section 7.6)."""

from ..case import (GET, OK, PRIZE, answer, case, chunks, closed, forwards, kept, message, nothing, passes, refuses,
                    returns, sees, send, told, told_raw, up_kept)


def get(*lines):
    return message("GET / HTTP/1.1", "Host: a", *lines)


# ---- Connection and what it names

for name, lines in {
    "keep-alive": ("Connection: keep-alive",), "keep-alive-field": ("Keep-Alive: timeout=5",), "proxy-connection": ("Proxy-Connection: keep-alive",),
    "named": ("Connection: X-Hop", "X-Hop: 1"), "named-behind": ("X-Hop: 1", "Connection: X-Hop"), "named-in-other-case": ("Connection: x-HOP", "X-Hop: 1"),
    "named-twice": ("Connection: X-Hop, X-Hop", "X-Hop: 1", "X-Hop: 2"), "named-in-list": ("Connection: keep-alive, X-Hop , y", "X-Hop: 1", "Y: 2"),
    "named-in-two-fields": ("Connection: X-A", "Connection: X-B", "X-A: 1", "X-B: 2"), "named-but-absent": ("Connection: X-Absent",),
    "named-with-empty-members": ("Connection: ,, X-Hop ,", "X-Hop: 1"), "empty": ("Connection:",), "commas": ("Connection: ,,",),
    "keep-alive-named": ("Connection: Keep-Alive, X-Hop", "Keep-Alive: 1", "X-Hop: 2"), "te": ("TE: gzip",), "te-named": ("Connection: TE", "TE: gzip;q=1"),
    "trailer": ("Trailer: X-Sum",), "upgrade": ("Upgrade: h2c",), "http2-settings": ("HTTP2-Settings: AAMAAABk",),
    "proxy-authorization": ("Proxy-Authorization: Basic eA==",), "proxy-authenticate": ("Proxy-Authenticate: Basic",), "close-field": ("Close: 1",),
}.items():
    forwards(f"hop-{name}", "9110-7.6.1-connection", message("GET / HTTP/1.1", "Host: a", "X-Before: 1", *lines, "X-After: 2"),
             get("X-Before: 1", "X-After: 2"))
    returns(f"response-hop-{name}", "9110-7.6.1-connection",
            message("HTTP/1.1 200 OK", "X-Before: 1", *lines, "X-After: 2", "Content-Length: 0"),
            message("HTTP/1.1 200 OK", "X-Before: 1", "X-After: 2", "Content-Length: 0"))

# Whoever names one of these in Connection does not take it away from the upstream.
for field in ("Host: a", "Authorization: Basic eA==", "Cookie: a=b", "Content-Type: text/plain", "X-Request-Id: abc", "Cache-Control: no-store",
              "User-Agent: x", "Origin: http://a"):
    name = field.split(":")[0]
    lines = ["Host: a"] if name == "Host" else ["Host: a", field]
    forwards(f"hop-cannot-name-{name.lower()}", "9110-7.6.1-end-to-end attack-hop-by-hop-abuse",
             message("GET / HTTP/1.1", *lines, f"Connection: {name}, close-not"), message("GET / HTTP/1.1", *lines))
for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "Forwarded"):
    value = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Forwarded-Port": "444"}.get(name, "x")
    seen = {"X-Forwarded-For": "6.6.6.6, 127.0.0.1"}.get(name, value)
    forwards(f"hop-cannot-name-{name.lower()}", "9110-7.6.1-end-to-end attack-hop-by-hop-abuse",
             get(f"{name}: {value}", f"Connection: {name}"), get(f"{name}: {seen}"), listener="trusting")
forwards("hop-cannot-name-content-length", "9110-7.6.1-end-to-end attack-hop-by-hop-abuse",
         message("POST / HTTP/1.1", "Host: a", "Connection: Content-Length", "Content-Length: 3", body="abc"),
         message("POST / HTTP/1.1", "Host: a", "Content-Length: 3", body="abc"))
forwards("hop-cannot-name-transfer-encoding", "9110-7.6.1-end-to-end attack-hop-by-hop-abuse",
         message("POST / HTTP/1.1", "Host: a", "Connection: Transfer-Encoding", "Transfer-Encoding: chunked", body=chunks("abc")),
         message("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=chunks("abc")))
for name in ("Via", "X-Canaryd-Cohort", "X-Canaryd-Rollout"):
    forwards(f"hop-cannot-name-{name.lower()}", "9110-7.6.1-end-to-end attack-hop-by-hop-abuse",
             message("GET / HTTP/1.1", "Host: shop.test", f"Connection: {name}"),
             message("GET / HTTP/1.1", "Host: shop.test", "Via: 1.1 canaryd", "X-Canaryd-Cohort: stable", "X-Canaryd-Rollout: shop"))
# Nor what decided its cohort.
forwards("hop-cannot-name-cohort-key", "9110-7.6.1-end-to-end attack-hop-by-hop-abuse",
         message("GET / HTTP/1.1", "Host: shop.test", "X-User: tom", "X-Hop: 1", "Connection: x-user, X-Hop"),
         message("GET / HTTP/1.1", "Host: shop.test", "X-User: tom", "X-Canaryd-Cohort: stable", "X-Canaryd-Rollout: shop"))
for name, field in {"set-cookie": "Set-Cookie: a=b", "location": "Location: /x", "content-type": "Content-Type: x/y", "date": "Date: x",
                    "cache-control": "Cache-Control: private"}.items():
    returns(f"response-hop-cannot-name-{name}", "9110-7.6.1-end-to-end attack-hop-by-hop-abuse",
            message("HTTP/1.1 200 OK", field, "Connection: " + field.split(":")[0], "Content-Length: 0"),
            message("HTTP/1.1 200 OK", field, "Content-Length: 0"))

for name, value in {"not-a-token": "a b", "quoted": '"x"', "parameter": "keep-alive;x", "colon": "a:b", "high-byte": "\xe4", "slash": "a/b",
                    "too-many": ", ".join(f"x{i}" for i in range(40))}.items():
    refuses(f"hop-bad-connection-{name}", "9110-7.6.1-connection", get(f"Connection: {value}"))
passes_many = ", ".join(f"x{i}" for i in range(32))
forwards("hop-many-options", "9110-7.6.1-connection", get(f"Connection: {passes_many}", "X7: y", "X99: z"), get("X99: z"))

forwards("te-trailers", "9110-10.1.4-te", get("TE: trailers"), get("TE: trailers", "Connection: TE"))
forwards("te-trailers-among-others", "9110-10.1.4-te", get("TE: gzip;q=0.5, trailers"), get("TE: trailers", "Connection: TE"))
forwards("te-trailers-named", "9110-10.1.4-te", get("TE: trailers", "Connection: TE"), get("TE: trailers", "Connection: TE"))
forwards("te-trailers-behind-empty-members", "9110-10.1.4-te", get("TE: , ,trailers ,"),
         get("TE: trailers", "Connection: TE"))
forwards("te-chunked", "9110-10.1.4-te", get("TE: chunked"), get())
forwards("te-trailers-in-other-case", "9110-10.1.4-te", get("te: TRAILERS"), get("TE: trailers", "Connection: TE"))

# ---- Upgrade: nobody gets another protocol by asking

for name, lines in {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), "h2c-alone": ("Connection: Upgrade", "Upgrade: h2c"),
    "h2": ("Connection: Upgrade", "Upgrade: h2"), "tls": ("Connection: Upgrade", "Upgrade: TLS/1.2, HTTP/1.1"), "unknown": ("Connection: upgrade", "Upgrade: foo/2"),
    "h2c-lower": ("connection: upgrade,http2-settings", "upgrade: H2C", "http2-settings: x"), "not-named": ("Upgrade: websocket",),
    "named-only": ("Connection: Upgrade",), "h2c-obfuscated": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c,", "HTTP2-Settings: x"),
}.items():
    forwards(f"upgrade-{name}", "9110-7.8-upgrade attack-h2c", get(*lines, "X-After: 1"), get("X-After: 1"))
forwards("upgrade-h2c-with-body", "9110-7.8-upgrade attack-h2c",
         message("POST / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: h2c", "Content-Length: 3", body="abc"),
         message("POST / HTTP/1.1", "Host: a", "Content-Length: 3", body="abc"))
# What an upstream would switch to is for its hop, even where the status is about nothing else.
returns("upgrade-in-426", "9110-7.8-upgrade 9110-7.6.1-connection",
        message("HTTP/1.1 426 Upgrade Required", "Upgrade: h2c, TLS/1.3", "Connection: Upgrade", "Content-Length: 0"),
        message("HTTP/1.1 426 Upgrade Required", "Content-Length: 0"))
case("upgrade-in-1.0", "9110-7.8-upgrade", send(message("GET / HTTP/1.0", "Host: a", "Connection: upgrade", "Upgrade: websocket")),
     sees(GET), answer(OK), told(message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", body="ok")), closed())

# ---- Via, Max-Forwards, X-Forwarded-*

forwards("via-added", "9110-7.6.3-via", GET, get("Via: 1.1 canaryd"))
forwards("via-appended", "9110-7.6.3-via", get("Via: 1.0 fred, 1.1 p.example"), get("Via: 1.0 fred, 1.1 p.example", "Via: 1.1 canaryd"))
forwards("via-several", "9110-7.6.3-via", get("Via: 1.0 fred", "X: y", "Via: 2 barney (c)"),
         get("Via: 1.0 fred", "X: y", "Via: 2 barney (c)", "Via: 1.1 canaryd"))
case("via-of-1.0", "9110-7.6.3-via", send(message("GET / HTTP/1.0", "Host: a")), sees(get("Via: 1.0 canaryd")), answer(OK),
     told(message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", body="ok")), closed())
returns("response-via-added", "9110-7.6.3-via", message("HTTP/1.1 200 OK", "Content-Length: 0"),
        message("HTTP/1.1 200 OK", "Content-Length: 0", "Via: 1.1 canaryd"))
returns("response-via-appended", "9110-7.6.3-via", message("HTTP/1.1 200 OK", "Via: 1.1 inner", "Content-Length: 0"),
        message("HTTP/1.1 200 OK", "Via: 1.1 inner", "Content-Length: 0", "Via: 1.1 canaryd"))
returns("response-via-of-1.0", "9110-7.6.3-via", message("HTTP/1.0 200 OK", "Content-Length: 0"),
        message("HTTP/1.1 200 OK", "Content-Length: 0", "Via: 1.0 canaryd"), up="closed")
for name, lines, version in (
        ("via", (), "1.1"), ("via-appended", ("Via: 1.0 inner",), "1.1"), ("via-of-1.0", (), "1.0")):
    interim = message(f"HTTP/{version} 103 Early Hints", "Link: </a.css>", *lines)
    passed_on = message("HTTP/1.1 103 Early Hints", "Link: </a.css>", *lines, f"Via: {version} canaryd")
    # To the byte: nothing else is added, not even a Date.
    case(f"interim-{name}", "9110-7.6.3-via 9110-15.2-interim", send(GET), sees(GET), answer(interim),
         told_raw(passed_on), answer(OK), told(OK), kept(), up_kept())


def options(*lines):
    return message("OPTIONS / HTTP/1.1", "Host: a", *lines)


for hops in (1, 2, 10, 70000):
    forwards(f"max-forwards-{hops}", "9110-7.6.2-max-forwards", options(f"Max-Forwards: {hops}", "X: y"), options("X: y", f"Max-Forwards: {hops - 1}"))
for target in ("/", "*", "/x"):
    case(f"max-forwards-0-{target}", "9110-7.6.2-max-forwards", send(message(f"OPTIONS {target} HTTP/1.1", "Host: a", "Max-Forwards: 0")),
         told(message("HTTP/1.1 200 OK", "Content-Length: 0", "Connection: keep-alive")), kept())
passes("max-forwards-get", "9110-7.6.2-max-forwards", get("Max-Forwards: 0"))
forwards("max-forwards-not-a-number", "9110-7.6.2-max-forwards", options("Max-Forwards: many"), options())
# No number, or more than one, is not passed on: nobody further on could count it down.
forwards("max-forwards-twice", "9110-7.6.2-max-forwards", options("Max-Forwards: 0", "Max-Forwards: 0"), options())
forwards("max-forwards-too-large", "9110-7.6.2-max-forwards", options("Max-Forwards: 99999999999999999999"), options())
case("max-forwards-0-with-body", "9110-7.6.2-max-forwards attack-bytes-after-local-answer",
     send(message("OPTIONS / HTTP/1.1", "Host: a", "Max-Forwards: 0", f"Content-Length: {len(PRIZE)}", body=PRIZE)),
     told(message("HTTP/1.1 200 OK", "Content-Length: 0", "Connection: close")), closed(), nothing())
forwards("max-forwards-none", "9110-7.6.2-max-forwards", options(), options())
refuses("max-forwards-0-connect", "9110-9.3.6-connect", message("CONNECT a:1 HTTP/1.1", "Host: a:1", "Max-Forwards: 0"), 501, "not_implemented")

mine = ("X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: a")
forwards("forwarded-added", "canaryd-forwarded", GET, get(*mine))
for name, lines in {
    "for": ("X-Forwarded-For: 6.6.6.6",), "for-twice": ("X-Forwarded-For: 6.6.6.6", "x-forwarded-for: 7.7.7.7"), "proto": ("X-Forwarded-Proto: https",),
    "host": ("X-Forwarded-Host: evil",), "forwarded": ("Forwarded: for=6.6.6.6;host=evil",), "port": ("X-Forwarded-Port: 443",),
    "prefix": ("X-Forwarded-Prefix: /evil",), "server": ("X-Forwarded-Server: evil",), "scheme": ("X-Forwarded-Scheme: https",), "ssl": ("x-forwarded-ssl: on",),
}.items():
    forwards(f"forwarded-not-believed-{name}", "canaryd-forwarded attack-forged-fields", get(*lines, "X: y"), get("X: y", *mine))
forwards("forwarded-believed", "canaryd-forwarded",
         get("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: b", "X-Forwarded-Port: 443", "Forwarded: for=x"),
         get("X-Forwarded-Proto: https", "X-Forwarded-Host: b", "X-Forwarded-Port: 443", "Forwarded: for=x", "X-Forwarded-For: 6.6.6.6, 127.0.0.1"),
         listener="trusting")
forwards("forwarded-believed-with-empty-lines", "canaryd-forwarded",
         get("X-Forwarded-For:", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: "),
         get("X-Forwarded-For: 6.6.6.6, 127.0.0.1"), listener="trusting")
shop = message("GET / HTTP/1.1", "Host: shop.test", "X-Canaryd-Cohort: stable", "X-Canaryd-Rollout: shop")
forwards("cohort-added", "canaryd-forwarded", message("GET / HTTP/1.1", "Host: shop.test"), shop)
forwards("cohort-not-believed", "canaryd-forwarded attack-forged-fields",
         message("GET / HTTP/1.1", "Host: shop.test", "X-Canaryd-Cohort: canary", "x-canaryd-rollout: x"), shop)
forwards("cohort-not-believed-without-rollout", "canaryd-forwarded attack-forged-fields", get("X-Canaryd-Cohort: canary", "X-Canaryd-Rollout: x"), GET)
returns("cohort-of-response-not-believed", "canaryd-forwarded attack-forged-fields",
        message("HTTP/1.1 200 OK", "X-Canaryd-Cohort: canary", "X-Canaryd-Rollout: x", "Content-Length: 0"),
        message("HTTP/1.1 200 OK", "Content-Length: 0"))
case("cohort-told", "canaryd-forwarded", send(message("GET / HTTP/1.1", "Host: shop.test")), sees(shop), answer(OK),
     told(message("HTTP/1.1 200 OK", "Content-Length: 2", "X-Canaryd-Cohort: stable", body="ok")), kept(), listener="telling")
forwards("request-id-kept", "canaryd-forwarded", get("X-Request-Id: abc-1"), get("X-Request-Id: abc-1"))
