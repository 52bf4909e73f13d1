"""Responses: status lines, where their bodies end, and what becomes of both connections (RFC 9112 sections 4, 6 and 9)."""

from ..case import (GET, OK, PRIZE, answer, bad_answer, case, chunks, client_ends, closed, cut, kept, local,
                    message, nothing, passes, returns, sees, sees_raw, send, told, told_raw, up_closed, up_ends,
                    up_fresh, up_kept, up_resets)

EMPTY = message("HTTP/1.1 200 OK", "Content-Length: 0")
HEAD = message("HEAD / HTTP/1.1", "Host: a")
OLD = message("GET / HTTP/1.0", "Host: a")
CLOSING = message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", body="ok")

# ---- Status lines

for status in (200, 201, 202, 203, 205, 206, 207, 226, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 416, 417, 418, 421, 422, 425, 426, 428,
               429, 431, 451, 500, 501, 502, 503, 504, 505, 511, 299, 399, 499, 599):
    returns(f"status-{status}", "9110-15-status", message(f"HTTP/1.1 {status} Some Reason", "Content-Length: 2", body="ok"))
returns("reason-empty", "9112-4-reason", message("HTTP/1.1 200 ", "Content-Length: 0"))
returns("reason-missing", "9112-4-reason", message("HTTP/1.1 200", "Content-Length: 0"), message("HTTP/1.1 200 ", "Content-Length: 0"))
returns("reason-any-text", "9112-4-reason", message("HTTP/1.1 200 a \xe4\tb  c", "Content-Length: 0"))
returns("response-1.2", "9110-2.5-minor-version", message("HTTP/1.2 200 OK", "Content-Length: 0"), EMPTY)
returns("response-1.0", "9110-6.2-own-version", message("HTTP/1.0 200 OK", "Content-Length: 0"), EMPTY, up="closed")
returns("response-1.0-keep-alive", "9112-9.3-persistence", message("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 0"), EMPTY)
for name, line in {
    "two-digits": "HTTP/1.1 20 OK", "four-digits": "HTTP/1.1 2000 OK", "zero": "HTTP/1.1 000 OK", "099": "HTTP/1.1 099 OK", "600": "HTTP/1.1 600 OK", "999": "HTTP/1.1 999 OK", "letters": "HTTP/1.1 OK", "letter-in-code": "HTTP/1.1 2x0 OK", "minus": "HTTP/1.1 -20 OK",
    "plus": "HTTP/1.1 +20 OK", "two-spaces": "HTTP/1.1  200 OK", "tab": "HTTP/1.1\t200 OK", "no-version": "200 OK", "http-2": "HTTP/2.0 200 OK", "http-0.9": "HTTP/0.9 200 OK", "small": "http/1.1 200 OK", "icy": "ICY 200 OK", "space-first": " HTTP/1.1 200 OK", "no-space": "HTTP/1.1200 OK",
    "control-in-reason": "HTTP/1.1 200 O\x01K", "nul-in-reason": "HTTP/1.1 200 O\0K", "cr-in-reason": "HTTP/1.1 200 O\rK", "lf-in-reason": "HTTP/1.1 200 O\nX: y", "comma": "HTTP/1,1 200 OK", "request": "GET / HTTP/1.1", "empty-line": "\r\nHTTP/1.1 200 OK", "dot-code": "HTTP/1.1 200.1 OK",
    "html": "<html><body>hello, this is an answer of HTTP/0.9</body></html>", "ssh": "SSH-2.0-OpenSSH_9.2p1 Debian", "tls-alert": "\x15\x03\x01\x00\x02\x02\x46 and more",
}.items():
    bad_answer(f"status-line-{name}", "9112-4-status-line attack-response-splitting", line + "\r\nContent-Length: 0\r\n\r\n")

# ---- Framing

returns("response-length", "9112-6.2-length", message("HTTP/1.1 200 OK", "Content-Length: 5", body="hello"))
returns("response-length-0", "9112-6.2-length", EMPTY)
returns("response-length-leading-zeros", "9112-6.2-length", message("HTTP/1.1 200 OK", "Content-Length: 005", body="hello"), message("HTTP/1.1 200 OK", "Content-Length: 5", body="hello"))
for size in (16 * 1024, 70_000, 1_000_000):
    body = bytes(range(256)) * (size // 256)
    returns(f"response-length-{size}", "9112-6.2-length", message("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", body=body))
for name, lines in {
    "cl-te": ("Content-Length: 5", "Transfer-Encoding: chunked"), "te-cl": ("Transfer-Encoding: chunked", "Content-Length: 5"), "two-lengths": ("Content-Length: 5", "Content-Length: 6"), "two-equal-lengths": ("Content-Length: 5", "Content-Length: 5"),
    "length-list": ("Content-Length: 5, 5",), "length-plus": ("Content-Length: +5",), "length-minus": ("Content-Length: -5",), "length-empty": ("Content-Length:",), "length-words": ("Content-Length: five",), "length-2^64": ("Content-Length: 18446744073709551616",), "length-hex": ("Content-Length: 0x5",),
    "coding-gzip": ("Transfer-Encoding: gzip",), "coding-gzip-chunked": ("Transfer-Encoding: gzip, chunked",), "coding-identity": ("Transfer-Encoding: identity",), "coding-twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "coding-chunked-chunked": ("Transfer-Encoding: chunked, chunked",),
    "coding-empty": ("Transfer-Encoding:",), "coding-obfuscated": ("Transfer-Encoding: xchunked",), "coding-hidden": ("Transfer-Encoding : chunked",), "length-hidden": ("Content-Length : 5",),
}.items():
    bad_answer(f"response-{name}", "9112-6.3-response-framing attack-response-splitting", message("HTTP/1.1 200 OK", *lines, body="hello"))
bad_answer("response-coding-in-1.0", "9112-6.1-no-coding-in-1.0", message("HTTP/1.0 200 OK", "Transfer-Encoding: chunked", body=chunks("x")))


def until_close(name, response, seen):
    case(name, "9112-6.3-until-close", send(GET), sees(GET), answer(response), up_ends(), told(seen), kept())


until_close("until-close", message("HTTP/1.1 200 OK", body="hello"), message("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=chunks("hello")))
until_close("until-close-empty", message("HTTP/1.1 200 OK"), message("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=chunks()))
until_close("until-close-1.0", message("HTTP/1.0 200 OK", body="hello"), message("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=chunks("hello")))
until_close("until-close-205", message("HTTP/1.1 205 Reset Content"), message("HTTP/1.1 205 Reset Content", "Transfer-Encoding: chunked", body=chunks()))
case("until-close-for-1.0", "9112-6.3-until-close", send(OLD), sees(GET), answer(message("HTTP/1.1 200 OK", body="hello")), up_ends(),
     told(message("HTTP/1.1 200 OK", "Connection: close", body="hello")), closed())
case("until-close-reset", "9112-8-incomplete", send(GET), sees(GET), answer(message("HTTP/1.1 200 OK", body="hello")),
     told(message("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body="5\r\nhello")), up_resets(), cut())
# An upstream is taken for one of HTTP/1.1, whatever it has answered with.
upload = message("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=chunks("abc"))
case("chunked-to-1.0", "9112-6.1-chunked", send(GET), sees(GET),
     answer(message("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 2", body="ok")), told(OK),
     send(upload), sees(upload), answer(OK), told(OK), kept(), up_kept())
case("chunked-for-1.0", "9112-7.1-chunked 9112-6.1-no-coding-in-1.0", send(OLD), sees(GET), answer(message("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=chunks("hel", "lo", trailers=["X: y"]))),
     told(message("HTTP/1.1 200 OK", "Connection: close", body="hello")), closed(), up_kept())
case("length-cut", "9112-8-incomplete", send(GET), sees(GET), answer(message("HTTP/1.1 200 OK", "Content-Length: 5", body="hel")), told(message("HTTP/1.1 200 OK", "Content-Length: 5", body="hel")), up_ends(), cut())

for status in ("204 No Content", "304 Not Modified"):
    response = message(f"HTTP/1.1 {status}", 'ETag: "x"')
    returns(f"no-body-{status[:3]}", "9112-6.3-no-body", response)
    returns(f"no-body-{status[:3]}-head", "9112-6.3-no-body", response, request=HEAD)
returns("no-body-304-length", "9110-8.6-length-of-304", message("HTTP/1.1 304 Not Modified", "Content-Length: 500"))
returns("no-body-304-chunked", "9112-6.3-no-body", message("HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked"), message("HTTP/1.1 304 Not Modified"))
returns("no-body-204-length-0", "9110-8.6-no-length-in-204", message("HTTP/1.1 204 No Content", "Content-Length: 0"), message("HTTP/1.1 204 No Content"))
bad_answer("no-body-204-length", "9110-8.6-no-length-in-204 attack-response-splitting", message("HTTP/1.1 204 No Content", "Content-Length: 5", body="hello"))
bad_answer("no-body-204-chunked", "9112-6.1-no-coding-in-204", message("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked", body=chunks("x")))
returns("205-length-0", "9110-15.3.6-205", message("HTTP/1.1 205 Reset Content", "Content-Length: 0"))
returns("head-length", "9110-9.3.2-head", message("HTTP/1.1 200 OK", "Content-Length: 1000"), request=HEAD)
returns("head-chunked", "9110-9.3.2-head", message("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), message("HTTP/1.1 200 OK"), request=HEAD)
returns("head-nothing", "9110-9.3.2-head", message("HTTP/1.1 200 OK"), request=HEAD)

# ---- Bytes that nobody asked for: never an answer to anybody

FORGED = message("HTTP/1.1 200 OK", "Content-Length: 6", body="forged")
for name, request, response, seen in (
        ("length", GET, OK, OK), ("length-0", GET, EMPTY, EMPTY), ("chunked", GET, message("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=chunks("x")), None), ("204", GET, message("HTTP/1.1 204 No Content"), None),
        ("304", GET, message("HTTP/1.1 304 Not Modified"), None), ("304-length", GET, message("HTTP/1.1 304 Not Modified", "Content-Length: 6"), None), ("head", HEAD, message("HTTP/1.1 200 OK", "Content-Length: 69"), None)):
    case(f"second-answer-{name}", "9112-9.2-unsolicited attack-response-splitting", send(request), sees(request), answer(response + FORGED), told(seen or response), kept(), up_closed())
    case(f"extra-byte-{name}", "9112-9.2-unsolicited attack-response-splitting", send(request), sees(request), answer(response + b"x"), told(seen or response), kept(), up_closed())
case("extra-empty-line", "9112-9.2-unsolicited", send(GET), sees(GET), answer(OK + b"\r\n"), told(OK), kept(),
     up_closed())
big = bytes(range(256)) * 1000
BIG = message("HTTP/1.1 200 OK", f"Content-Length: {len(big)}", body=big)
case("second-answer-long", "9112-9.2-unsolicited attack-response-splitting", send(GET), sees(GET), answer(BIG + FORGED), told(BIG), kept(), up_closed())
case("head-with-body", "9110-9.3.2-head attack-response-splitting", send(HEAD), sees(HEAD), answer(OK), told(message("HTTP/1.1 200 OK", "Content-Length: 2")), kept(), up_closed())
case("two-answers-for-two-clients", "9112-9.2-unsolicited", send(GET), sees(GET), answer(OK), told(OK), answer(FORGED), up_closed(), kept())

# ---- Interim responses and Expect

HINTS = message("HTTP/1.1 103 Early Hints", "Link: </a.css>; rel=preload")
CONTINUE = message("HTTP/1.1 100 Continue")
for name, interim in {"103": HINTS, "102": message("HTTP/1.1 102 Processing"), "100": CONTINUE, "199": message("HTTP/1.1 199 X", "A: b"), "several": HINTS}.items():
    case(f"interim-{name}", "9110-15.2-interim", send(GET), sees(GET), answer(interim * (3 if name == "several" else 1)), *[told(interim)] * (3 if name == "several" else 1), answer(OK), told(OK), kept(), up_kept())
case("interim-not-for-1.0", "9110-15.2-interim", send(OLD), sees(GET), answer(HINTS + OK), told(CLOSING), closed())
case("interim-hop-by-hop", "9110-7.6.1-connection 9110-15.2-interim", send(GET), sees(GET), answer(message("HTTP/1.1 103 Early Hints", "Connection: X", "X: 1", "Y: 2")), told(message("HTTP/1.1 103 Early Hints", "Y: 2")), answer(OK), told(OK), kept())
case("interim-endless", "9110-15.2-interim attack-endless-interim", send(OLD), sees(GET), answer(message("HTTP/1.1 102 Processing") * 50), local(502, "upstream_protocol"), closed(), up_closed())
case("interim-length-0", "9110-8.6-no-length-in-204 9110-15.2-interim", send(GET), sees(GET),
     answer(message("HTTP/1.1 103 Early Hints", "Content-Length: 0", "Y: 2")),
     told(message("HTTP/1.1 103 Early Hints", "Y: 2")), answer(OK), told(OK), kept(), up_kept())
bad_answer("interim-with-length", "9112-6.3-no-body attack-response-splitting", message("HTTP/1.1 103 Early Hints", "Content-Length: 5", body="hello") + OK)
bad_answer("interim-chunked", "9112-6.1-no-coding-in-204", message("HTTP/1.1 103 Early Hints", "Transfer-Encoding: chunked", body=chunks("x")) + OK)
bad_answer("interim-101-unasked", "9110-7.8-upgrade attack-h2c", message("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: h2c"))


def put(*lines):
    return message("PUT / HTTP/1.1", "Host: a", *lines)


EXPECTING = put("Expect: 100-continue", "Content-Length: 5")
case("expect-continue", "9110-10.1.1-expect", send(EXPECTING), sees(EXPECTING), answer(CONTINUE), told(CONTINUE), send("hello"), ("sees_raw", b"hello"), answer(OK), told(OK), kept(), up_kept())
case("expect-hints-and-continue", "9110-10.1.1-expect 9110-15.2-interim", send(EXPECTING), sees(EXPECTING), answer(HINTS + CONTINUE), told(HINTS), told(CONTINUE), send("hello"), ("sees_raw", b"hello"), answer(OK), told(OK), kept(), up_kept())
case("expect-not-waited-for", "9110-10.1.1-expect", send(EXPECTING + b"hello"), sees(EXPECTING + b"hello"), answer(OK), told(OK), kept(), up_kept())
case("expect-refused", "9110-10.1.1-expect attack-expect", send(EXPECTING), sees(EXPECTING), answer(message("HTTP/1.1 417 Expectation Failed", "Content-Length: 0")), told(message("HTTP/1.1 417 Expectation Failed", "Content-Length: 0", "Connection: close")),
     send(PRIZE), closed(), up_closed(), nothing())
case("expect-without-body", "9110-10.1.1-expect", send(put("Expect: 100-continue", "Content-Length: 0")), sees(put("Content-Length: 0")), answer(OK), told(OK), kept())
case("expect-in-1.0", "9110-10.1.1-expect", send(message("PUT / HTTP/1.0", "Host: a", "Expect: 100-continue", "Content-Length: 5", body="hello")), sees(put("Content-Length: 5") + b"hello"), answer(OK), told(CLOSING), closed())
passes("expect-twice", "9110-10.1.1-expect",
       put("Expect: 100-continue", "Expect: 100-Continue", "Content-Length: 5") + b"hello")
for name, value in {"other": "200-ok", "empty-member": "100-continue,", "list": "100-continue, x",
                    "obfuscated": "y 100-continue", "quoted": '"100-continue"', "empty": "",
                    "parameter": "100-continue;x"}.items():
    case(f"expect-{name}", "9110-10.1.1-expect attack-expect", send(put(f"Expect: {value}", "Content-Length: 5") + b"hello" + PRIZE), local(417, "expectation_failed"), closed(), nothing())

# ---- Connections

for name, lines in {"close": ("Connection: close",), "close-in-list": ("Connection: x, Close",), "close-and-keep-alive": ("Connection: keep-alive, close",)}.items():
    case(f"client-says-{name}", "9112-9.6-close", send(message("GET / HTTP/1.1", "Host: a", *lines) + PRIZE), sees(GET), answer(OK), told(CLOSING), closed(), up_kept(), nothing())
    returns(f"upstream-says-{name}", "9112-9.6-close", message("HTTP/1.1 200 OK", *lines, "Content-Length: 2", body="ok"), OK, up="closed")
case("client-1.0-keep-alive", "9112-9.3-persistence", send(message("GET / HTTP/1.0", "Host: a", "Connection: keep-alive")), sees(GET), answer(OK), told(message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: keep-alive", body="ok")), kept(), up_kept())
three = [message(f"GET /{i} HTTP/1.1", "Host: a") for i in range(3)]
case("pipelined", "9112-9.3.2-pipelining", send(b"".join(three)), *[step for request in three for step in (sees(request), answer(OK), told(OK))], kept())
case("pipelined-behind-close", "9112-9.6-close", send(message("GET /0 HTTP/1.1", "Host: a", "Connection: close") + three[1]), sees(three[0]), answer(OK), told(CLOSING), closed(), nothing())
case("pipelined-then-refused", "9112-9.3.2-pipelining", send(three[0] + b"GET / HTTP/1.1\r\n\r\n" + PRIZE), sees(three[0]), answer(OK), told(OK), local(400, "bad_request"), closed(), nothing())
case("early-answer", "9112-9.3-early", send(message("POST / HTTP/1.1", "Host: a", "Content-Length: 100", body="abc")), sees(message("POST / HTTP/1.1", "Host: a", "Content-Length: 100", body="abc")), answer(message("HTTP/1.1 413 Too Large", "Content-Length: 0")),
     told(message("HTTP/1.1 413 Too Large", "Content-Length: 0", "Connection: close")), closed(), up_closed())
# An early answer does not end the upload, whatever it says of its connection, as long as it lasts itself.
for name, lines in {"": (), "-that-says-close": ("Connection: close",)}.items():
    upload = message("POST / HTTP/1.1", "Host: a", "Content-Length: 6", body="abc")
    case(f"early-answer{name}-and-more-upload", "9112-9.3-early 9110-7.5-early", send(upload), sees(upload),
         answer(message("HTTP/1.1 200 OK", *lines, "Content-Length: 4", body="he")),
         told(message("HTTP/1.1 200 OK", "Content-Length: 4", "Connection: close", body="he")),
         send("def"), sees_raw(b"def"), answer("re"), told_raw(b"re"), closed())
# Nobody waits for an answer that has not begun.
case("half-close-before-answer", "9112-9.6-half-close", send(GET), sees(GET), client_ends(), up_closed(), closed())
case("half-close-in-answer", "9112-9.6-half-close", send(GET), sees(GET),
     answer(message("HTTP/1.1 200 OK", "Content-Length: 4", body="he")),
     told(message("HTTP/1.1 200 OK", "Content-Length: 4", body="he")), client_ends(), answer("re"), told_raw(b"re"),
     closed())
POST = message("POST / HTTP/1.1", "Host: single.test", "Content-Length: 2", body="ab")
for name, step in {"ends": up_ends(), "resets": up_resets()}.items():
    case(f"post-not-sent-twice-{name}", "9112-9.3.1-retry", send(POST), sees(POST), step, local(502, "upstream_reset", close=False), nothing())
single = message("GET / HTTP/1.1", "Host: single.test")
case("upstream-for-one-request", "9112-9.3-persistence", send(single), sees(single), answer(OK), told(OK), up_closed())
again = message("GET / HTTP/1.1", "Host: again.test")
case("get-sent-again", "9112-9.3.1-retry", send(again), sees(again), up_ends(), sees(again), answer(OK), told(OK), kept())
again_post = message("POST / HTTP/1.1", "Host: again.test", "Content-Length: 2", body="ab")
case("post-not-sent-again", "9112-9.3.1-retry", send(again_post), sees(again_post), up_resets(), local(502, "upstream_reset", close=False), nothing())

# ---- Time

silent = message("GET / HTTP/1.1", "Host: silent.test")
case("upstream-silent", "9110-15.6.5-timeout", send(silent), sees(silent), local(504, "timeout", close=False), up_closed())
expecting = message("PUT / HTTP/1.1", "Host: silent.test", "Expect: 100-continue", "Content-Length: 5")
case("expect-timed-out", "9110-10.1.1-expect 9110-15.6.5-timeout", send(expecting), sees(expecting), local(504, "timeout"), closed(), up_closed())
case("expect-hints-are-no-continue", "9110-10.1.1-expect 9110-15.6.5-timeout", send(expecting), sees(expecting), answer(HINTS), told(HINTS), local(504, "timeout"), closed(), up_closed())
case("slow-head", "9110-15.5.9-timeout", send("GET / HTTP/1.1\r\nHost: a\r\n"), local(408, "request_timeout"), closed(), nothing(), listener="hasty")
