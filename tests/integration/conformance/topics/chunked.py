"""The chunked coding (RFC 9112 section 7.1), its extensions, and trailers (RFC 9110 section 6.5), in both directions."""

from ..case import GET, OK, PRIZE, answer, case, chunks, closed, cut, forwards, kept, local, message, refuses, refuses_body, returns, sees, send, told, up_closed, up_kept


def post(body, *lines):
    return message("POST / HTTP/1.1", "Host: a", *lines, "Transfer-Encoding: chunked", body=body)


def ok(body, *lines):
    return message("HTTP/1.1 200 OK", *lines, "Transfer-Encoding: chunked", body=body)


def both(name, rules, body, canonical, *lines):
    """The same body as a request's and as a response's."""
    forwards(name, rules, post(body, *lines), post(canonical, *lines))
    returns("response-" + name, rules, ok(body, *lines), ok(canonical, *lines))


HELLO = "5\r\nhello\r\n0\r\n\r\n"
for name, body in {
    "one": HELLO, "two": "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "capital-digits": "A\r\n0123456789\r\n0\r\n\r\n", "small-digits": "a\r\n0123456789\r\n0\r\n\r\n", "leading-zeros": "0005\r\nhello\r\n0\r\n\r\n",
    "long-zero": "5\r\nhello\r\n0000\r\n\r\n", "sixteen-digits": "0000000000000005\r\nhello\r\n0\r\n\r\n", "data-with-line-ends": "4\r\n\r\n\r\n\r\n0\r\n\r\n", "data-like-an-end": "5\r\n0\r\n\r\n\r\n0\r\n\r\n",
    "data-like-a-request": "12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n", "only-the-end": "0\r\n\r\n",
}.items():
    both(f"chunks-{name}", "9112-7.1-chunked", body, body)
for name, extension in {
    "flag": ";x", "value": ";x=y", "quoted": ';x="y z"', "quoted-semicolon": ';x="a;b"', "several": ";a;b=c;d", "spaces-in-quotes": ';x="  "', "high-bytes": ";x=\xe4", "empty": ";", "spaces-behind": "; x = y ",
    "long": ";x=" + "y" * 3000, "looks-like-a-size": ";5", "tab": ";\tx", "signature": ";chunk-signature=ad80c7", "space-before": " ;x=y", "tab-before": "\t;x=y", "spaces-before": "  \t ;x",
}.items():
    both(f"chunk-extension-{name}", "9112-7.1.1-extensions", f"5{extension}\r\nhello\r\n0{extension}\r\n\r\n", HELLO)
refuses_body("chunk-extensions-too-long", "9112-7.1.1-extensions-bounded attack-endless-extensions", "5;" + "x" * 20000 + "\r\nhello\r\n0\r\n\r\n")
refuses_body("chunk-extensions-too-many", "9112-7.1.1-extensions-bounded attack-endless-extensions", "1;xxxxxxxxxxxxxxxx\r\na\r\n" * 2000 + "0\r\n\r\n")
refuses_body("chunk-extension-spaces-endless", "9112-7.1.1-extensions-bounded attack-endless-extensions", "5" + " " * 20000 + ";x\r\nhello\r\n0\r\n\r\n")

BAD = {
    "size-empty": "\r\nhello\r\n0\r\n\r\n", "size-not-hex": "g\r\nhello\r\n0\r\n\r\n", "size-0x": "0x5\r\nhello\r\n0\r\n\r\n", "size-plus": "+5\r\nhello\r\n0\r\n\r\n", "size-minus": "-5\r\nhello\r\n0\r\n\r\n",
    "size-minus-0": "-0\r\n\r\n", "size-leading-space": " 5\r\nhello\r\n0\r\n\r\n", "size-trailing-space": "5 \r\nhello\r\n0\r\n\r\n", "size-trailing-tab": "5\t\r\nhello\r\n0\r\n\r\n", "size-underscore": "0_5\r\nhello\r\n0\r\n\r\n",
    "size-2^64": "10000000000000005\r\nhello\r\n0\r\n\r\n", "size-17-zeros": "00000000000000005\r\nhello\r\n0\r\n\r\n", "size-f": "fffffffffffffffff\r\nhello\r\n0\r\n\r\n", "size-quoted": '"5"\r\nhello\r\n0\r\n\r\n', "size-h": "5h\r\nhello\r\n0\r\n\r\n",
    "size-comma": "5,x\r\nhello\r\n0\r\n\r\n", "size-point": "5.0\r\nhello\r\n0\r\n\r\n", "size-nul": "5\0\r\nhello\r\n0\r\n\r\n", "size-vertical-tab": "5\x0b\r\nhello\r\n0\r\n\r\n", "size-high-byte": "5\xa0\r\nhello\r\n0\r\n\r\n", "size-full-width": "\xef\xbc\x95\r\nhello\r\n0\r\n\r\n",
    "size-lf": "5\nhello\r\n0\r\n\r\n", "size-cr": "5\rhello\r\n0\r\n\r\n", "size-cr-cr-lf": "5\r\r\nhello\r\n0\r\n\r\n", "size-lf-cr": "5\n\rhello\r\n0\r\n\r\n", "size-space-space": "5  x\r\nhello\r\n0\r\n\r\n", "size-space-digit": "5 0\r\nhello\r\n0\r\n\r\n",
    "extension-lf": "5;x\nhello\r\n0\r\n\r\n", "extension-lf-first": "5;\nhello\r\n0\r\n\r\n", "extension-cr": "5;x\rhello\r\n0\r\n\r\n", "extension-cr-first": "5;\rxx\r\nhello\r\n0\r\n\r\n", "extension-cr-cr-lf": "5;x\r\r\nhello\r\n0\r\n\r\n",
    "extension-nul": "5;x\0\r\nhello\r\n0\r\n\r\n", "extension-control": "5;x\x01\r\nhello\r\n0\r\n\r\n", "extension-lf-in-quotes": '5;x="\n"\r\nhello\r\n0\r\n\r\n', "extension-crlf-in-quotes": '5;x="\r\n\r\nhello\r\n0\r\n\r\n',
    "extension-lf-in-last": "5\r\nhello\r\n0;x\n\r\n", "last-size-lf": "5\r\nhello\r\n0\n\r\n", "end-lf": "5\r\nhello\r\n0\r\n\n", "end-cr": "5\r\nhello\r\n0\r\n\rX", "end-letter": "5\r\nhello\r\n0\r\nX\r\n",
    "data-lf": "5\r\nhello\n0\r\n\r\n", "data-cr": "5\r\nhello\r0\r\n\r\n", "data-long": "5\r\nhello!\r\n0\r\n\r\n", "data-short": "5\r\nhell\r\n0\r\n\r\n", "data-other-end": "5\r\nhelloXX0\r\n\r\n", "data-lf-lf": "5\r\nhello\n\n0\r\n\r\n", "data-extra-crlf": "5\r\nhello\r\n\r\n0\r\n\r\n",
    "no-size": "hello\r\n0\r\n\r\n", "only-crlf": "\r\n\r\n",
}
for name, body in BAD.items():
    refuses_body(f"chunks-{name}", "9112-7.1-chunked attack-chunk-size" if "extension" not in name else "9112-7.1.1-extensions attack-chunk-extension", body)
    # What was forwarded before is with the client; the response is cut, which cannot be taken for its end.
    case(f"response-chunks-{name}", "9112-7.1-chunked 9112-8-incomplete", send(GET), sees(GET), answer(ok("3\r\nabc\r\n" + body)), ("told_cut", ok("3\r\nabc\r\n")), up_closed())
refuses("chunk-over-limit", "9110-15.5.14-too-large", post("100001\r\nx"), 413, "body_too_large")
case("chunks-over-limit", "9110-15.5.14-too-large", send(post("80000\r\n" + "x" * 524288 + "\r\n80001\r\nx")), ("sees_head", post("")), ("up_cut_now",), local(413, "body_too_large"), closed())

# ---- Trailers

both("trailer", "9110-6.5-trailers", "5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n", "5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n")
both("trailer-announced", "9110-6.6.2-trailer 9110-6.5-trailers", "0\r\nX-Sum: 9\r\n\r\n", "0\r\nX-Sum: 9\r\n\r\n", "Trailer: X-Sum")
both("trailer-several", "9110-6.5-trailers", "0\r\nA: 1\r\nB:\r\nA: 2\r\n\r\n", "0\r\nA: 1\r\nB:\r\nA: 2\r\n\r\n")
both("trailer-empty-value", "9110-6.5-trailers", "0\r\nA:\r\n\r\n", "0\r\nA:\r\n\r\n")
both("trailer-long-name", "9110-6.5-trailers", "0\r\n" + "a" * 100 + ": 1\r\n\r\n", "0\r\n" + "a" * 100 + ": 1\r\n\r\n")
for field in ("Content-Length: 5", "Transfer-Encoding: chunked", "Host: b", "Connection: close", "Authorization: Basic eA==", "Cookie: a=b", "Set-Cookie: a=b", "Trailer: X", "TE: gzip", "Upgrade: h2c", "Expect: 100-continue",
              "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: b", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1", "Forwarded: for=x", "X-Canaryd-Cohort: canary", "X-Canaryd-Rollout: x", "Via: 1.1 x", "Cache-Control: no-store", "Content-Type: x/y",
              "Content-Encoding: gzip", "Content-Range: bytes 0-1/2", "Max-Forwards: 0", "Location: /x", "Keep-Alive: 1", "Proxy-Connection: close", "Proxy-Authorization: x", "WWW-Authenticate: x", "Retry-After: 1", "content_length: 5",
              "Transfer_Encoding: chunked", "X_Forwarded_For: 6.6.6.6", "X_Canaryd_Cohort: canary", "HTTP2-Settings: x", "Age: 1", "Expires: 0", "Vary: *", "Range: bytes=0-1", "If-Match: *", "X-Request-Id: x"):
    both(f"trailer-cut-{field.split(':')[0].lower()}", "9110-6.5.1-forbidden-trailers attack-trailer-merge", f"2\r\nok\r\n0\r\nX-A: 1\r\n{field}\r\nX-B: 2\r\n\r\n", "2\r\nok\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n")
forwards("trailer-named-by-connection", "9110-7.6.1-connection attack-trailer-merge", post("0\r\nX-Hop: 1\r\n\r\n", "Connection: X-Hop"), post("0\r\n\r\n"))
returns("response-trailer-named-by-connection", "9110-7.6.1-connection", ok("0\r\nX-Hop: 1\r\n\r\n", "Connection: X-Hop"), ok("0\r\n\r\n"))
for name, line in {
    "folded": "X: a\r\n b", "space-first": " X: a", "space-before-colon": "X : a", "no-colon": "X", "empty-name": ": a", "nul": "X: a\0", "control": "X: \x01", "lf": "X: a\nY: b", "cr": "X: a\rY: b", "high-byte-in-name": "X\xe4: a",
    "request": "GET /admin HTTP/1.1\r\nHost: b", "colon-request": "GET /a:b HTTP/1.1", "response": "HTTP/1.1 200 OK",
}.items():
    refuses_body(f"trailer-bad-{name}", "9110-6.5-trailers attack-trailer-merge", f"2\r\nok\r\n0\r\n{line}\r\n\r\n")
refuses_body("trailers-too-long", "9110-6.5-trailers attack-endless-trailers", "0\r\nX: " + "x" * 9000 + "\r\n\r\n")
refuses_body("trailers-too-many", "9110-6.5-trailers attack-endless-trailers", "0\r\n" + "X: y\r\n" * 65 + "\r\n")
refuses_body("trailer-name-endless", "9110-6.5-trailers attack-endless-trailers", "0\r\n" + "x" * 9000 + ": y\r\n\r\n")

# ---- Streams

case("chunks-in-pieces", "9112-7.1-chunked", send(post("")), sees(post("")), send("5\r\nhel"), ("sees_raw", b"5\r\nhel"), send("lo\r\n"), ("sees_raw", b"lo\r\n"), send("0\r\n"), ("sees_raw", b"0\r\n"), send("\r\n"), ("sees_raw", b"\r\n"),
     answer(OK), told(OK), kept(), up_kept())
case("response-chunks-in-pieces", "9112-7.1-chunked", send(GET), sees(GET), answer(ok("")), told(ok("")), answer("5\r\nhel"), ("told_raw", b"5\r\nhel"), answer("lo\r\n0"), ("told_raw", b"lo\r\n0"), answer("\r\n\r\n"), ("told_raw", b"\r\n\r\n"), kept(), up_kept())
whole = post("5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\nHost: b\r\n\r\n")
case("chunks-byte-by-byte", "9112-7.1-chunked 9112-2.2-octets", send(*[whole[i:i + 1] for i in range(len(whole))]), sees(post("5\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n")), answer(OK), told(OK), kept(), up_kept())
case("chunks-cut", "9112-8-incomplete", send(post("5\r\nhel")), sees(post("5\r\nhel")), ("client_ends",), up_closed(), closed())
case("chunks-cut-before-end", "9112-8-incomplete", send(post("5\r\nhello\r\n0\r\n")), sees(post("5\r\nhello\r\n0\r\n")), ("client_ends",), up_closed(), closed())
big = bytes(range(256)) * 2048
forwards("chunks-large", "9112-7.1-chunked", post(chunks(big, big[:100])), post(chunks(big, big[:100])))
returns("response-chunks-large", "9112-7.1-chunked", ok(chunks(big, big[:100])))
