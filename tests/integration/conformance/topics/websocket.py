"""The handshake of WebSocket and the tunnel behind it (RFC 6455 sections 4 and 5): the one protocol that is switched to."""

from ..case import (OK, PRIZE, answer, bad_answer, case, client_ends, closed, forwards, kept, message, nothing, sees, sees_raw, send, told,
                    told_raw, up_closed, up_fresh, up_kept)

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"
ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
SWITCH = ("Connection: upgrade", "Upgrade: websocket")
SAID = b"\x81\x85mask\x05\x04\x1f\x07\x02"  # "hello", masked.
HEARD = b"\x81\x02hi"


def get(*lines):
    return message("GET /chat HTTP/1.1", "Host: a", *lines)


def switching(*lines):
    return message("HTTP/1.1 101 Switching Protocols", *lines)


OFFER = get("Connection: Upgrade", "Upgrade: websocket", VERSION, KEY)
OFFERED = get(VERSION, KEY, *SWITCH)
AGREED = switching("Upgrade: websocket", "Connection: Upgrade", ACCEPT)
TOLD = switching(ACCEPT, *SWITCH)
GONE = (client_ends(), up_closed(), closed())

# ---- A tunnel

case("websocket", "6455-5-tunnel 6455-4.1-agreement", send(OFFER), sees(OFFERED), answer(AGREED), told(TOLD),
     send(SAID), sees_raw(SAID), answer(HEARD), told_raw(HEARD), *GONE)
case("websocket-bytes-behind-both-heads", "6455-5-tunnel", send(OFFER + SAID), sees(OFFERED), answer(AGREED + HEARD), told(TOLD), told_raw(HEARD),
     sees_raw(SAID), *GONE)
case("websocket-any-bytes", "6455-5-tunnel", send(OFFER), sees(OFFERED), answer(AGREED), told(TOLD), send(PRIZE), sees_raw(PRIZE), answer(OK), told_raw(OK),
     *GONE)
case("websocket-behind-hints", "6455-5-tunnel 9110-15.2-interim", send(OFFER), sees(OFFERED), answer(message("HTTP/1.1 103 Early Hints", "Link: </x>") + AGREED),
     told(message("HTTP/1.1 103 Early Hints", "Link: </x>")), told(TOLD), answer(HEARD), told_raw(HEARD), *GONE)
case("websocket-connection-not-used-again", "6455-5-tunnel", send(OFFER), sees(OFFERED), answer(AGREED), told(TOLD), client_ends(), up_fresh())
for name, lines in {
    "other-case": ("connection: keep-alive, UPGRADE", "upgrade: WebSocket"), "two-connection-fields": ("Connection: keep-alive", "Connection: Upgrade", "Upgrade: websocket"),
    "with-te": ("Connection: TE, Upgrade", "TE: trailers", "Upgrade: websocket"),
}.items():
    case(f"websocket-offer-{name}", "6455-4.2-offer 6455-5-tunnel", send(get(*lines, VERSION, KEY)), sees(OFFERED), answer(AGREED), told(TOLD), *GONE)
case("websocket-offer-with-expect", "6455-4.2-offer 9110-10.1.1-expect",
     send(get("Expect: 100-continue", "Connection: Upgrade", "Upgrade: websocket", VERSION, KEY)), sees(OFFERED),
     answer(AGREED), told(TOLD), *GONE)
case("websocket-extensions", "6455-5-tunnel", send(get("Connection: Upgrade", "Upgrade: websocket", VERSION, KEY, "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: x; y=1")),
     sees(get(VERSION, KEY, "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: x; y=1", *SWITCH)),
     answer(switching("Upgrade: websocket", "Connection: Upgrade", ACCEPT, "Sec-WebSocket-Protocol: b", "Sec-WebSocket-Extensions: x")),
     told(switching(ACCEPT, "Sec-WebSocket-Protocol: b", "Sec-WebSocket-Extensions: x", *SWITCH)), *GONE)

# ---- What is no offer

ASKS = ("Connection: Upgrade", "Upgrade: websocket")
for name, lines, seen in (
        ("no-key", (*ASKS, VERSION), (VERSION,)), ("two-keys", (*ASKS, KEY, KEY), (KEY, KEY)), ("short-key", (*ASKS, "Sec-WebSocket-Key: dGhl"), ("Sec-WebSocket-Key: dGhl",)),
        ("odd-key", (*ASKS, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="), ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==",)), ("key-named-by-connection", ("Connection: Upgrade, Sec-WebSocket-Key", "Upgrade: websocket", KEY), ()),
        ("two-protocols", ("Connection: Upgrade", "Upgrade: websocket, h2c", KEY), (KEY,)), ("two-upgrades", (*ASKS, "Upgrade: h2c", KEY), (KEY,)), ("upgrade-twice", (*ASKS, "Upgrade: websocket", KEY), (KEY,)),
        ("protocol-version", ("Connection: Upgrade", "Upgrade: websocket/13", KEY), (KEY,)), ("not-named", ("Upgrade: websocket", KEY), (KEY,)), ("lookalike", ("Connection: Upgrade", "Upgrade: websockets", KEY), (KEY,))):
    forwards(f"websocket-no-offer-{name}", "6455-4.2-offer attack-websocket", get(*lines), get(*seen))
for method in ("POST", "HEAD", "BREW"):
    line = f"{method} /chat HTTP/1.1"
    response = message("HTTP/1.1 200 OK", "Content-Length: 0")
    case(f"websocket-no-offer-{method.lower()}", "6455-4.2-offer attack-websocket", send(message(line, "Host: a", *ASKS, KEY)), sees(message(line, "Host: a", KEY)), answer(response), told(response), kept(), up_kept())
forwards("websocket-no-offer-with-body", "6455-4.2-offer attack-websocket", get(*ASKS, KEY, "Content-Length: 3") + b"abc", get(KEY, "Content-Length: 3") + b"abc")

# ---- What is no agreement

for name, lines in {
    "bare": (), "no-accept": ASKS, "no-upgrade": ("Connection: Upgrade", ACCEPT), "not-named": ("Upgrade: websocket", ACCEPT), "other-protocol": ("Connection: Upgrade", "Upgrade: h2c", ACCEPT),
    "two-protocols": ("Connection: Upgrade", "Upgrade: websocket, h2c", ACCEPT), "two-accepts": (*ASKS, ACCEPT, ACCEPT), "short-accept": (*ASKS, "Sec-WebSocket-Accept: s3pP"),
    "other-key": (*ASKS, "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI="), "accept-in-other-case": (*ASKS, "Sec-WebSocket-Accept: S3PplmbItXAq9KygZZHzrBk+XoO="),
    "accept-named-by-connection": ("Connection: Upgrade, Sec-WebSocket-Accept", "Upgrade: websocket", ACCEPT), "length": (*ASKS, ACCEPT, "Content-Length: 5"), "chunked": (*ASKS, ACCEPT, "Transfer-Encoding: chunked"),
}.items():
    bad_answer(f"websocket-no-agreement-{name}", "6455-4.1-agreement attack-websocket", switching(*lines) + OK, OFFER, OFFERED)
bad_answer("websocket-no-agreement-1.0", "6455-4.1-agreement 9110-7.8-upgrade", AGREED.replace(b"HTTP/1.1", b"HTTP/1.0"), OFFER, OFFERED)
bad_answer("websocket-agreement-unasked", "6455-4.1-agreement 9110-7.8-upgrade attack-websocket", AGREED + OK)
# A refused handshake (here of a version that nobody knows) is an answer like any other, and what follows is a request like any other.
REFUSED = message("HTTP/1.1 426 Upgrade Required", "Sec-WebSocket-Version: 13", "Content-Length: 0")
case("websocket-refused-then-prize", "6455-4.1-agreement attack-websocket", send(get(*ASKS, "Sec-WebSocket-Version: 99", KEY) + PRIZE), sees(get("Sec-WebSocket-Version: 99", KEY, *SWITCH)),
     answer(REFUSED.replace(b"Content-", b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-")), told(REFUSED), sees(PRIZE), answer(OK), told(OK), kept(), up_kept())
case("websocket-refused-then-no-route", "6455-4.1-agreement attack-websocket", send(OFFER + message("PURGE /prize HTTP/1.1", "Host: a")), sees(OFFERED), answer(REFUSED), told(REFUSED),
     ("local", 404, "no_route", False, False, None), nothing())
