"""Request lines: methods, versions, forms of the target, and what is around them (RFC 9112 sections 2 and 3)."""

from ..case import (GET, OK, PRIZE, answer, case, closed, forwards, kept, local, message, nothing, passes, refuses, returns,
                    sees, send, told, up_kept)

# ---- Methods

for method in ("GET", "DELETE", "OPTIONS", "BREW"):
    passes(f"method-{method.lower()}", "9110-9.1-method", message(f"{method} /x HTTP/1.1", "Host: a"))
for method in ("POST", "PUT", "PATCH", "BREW", "GET", "DELETE"):
    passes(f"method-{method.lower()}-with-body", "9110-9.1-method",
           message(f"{method} /x HTTP/1.1", "Host: a", "Content-Length: 3", body="abc"))
# Case matters: this is another method, for which there is no route.
case("method-small-letters", "9110-9.1-method", send(message("get /x HTTP/1.1", "Host: a")), local(404, "no_route", close=False),
     kept(), nothing())
refuses("method-empty", "9112-3-request-line", " / HTTP/1.1\r\nHost: a\r\n\r\n")
for name, method in {"parentheses": "GE()T", "at": "G@T", "high-byte": "G\xc9T", "control": "G\x01T", "nul": "G\0T",
                     "quote": '"GET"', "colon": "GET:"}.items():
    refuses(f"method-with-{name}", "9112-3-request-line", f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n")
refuses("method-too-long", "9112-3-long-method", "M" * 33 + " / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "not_implemented")
refuses("method-endless", "9112-3-long-method", "M" * 20000, 501, "not_implemented")
refuses("method-connect", "9110-9.3.6-connect", message("CONNECT a:443 HTTP/1.1", "Host: a:443"), 501, "not_implemented")
refuses("method-connect-path", "9110-9.3.6-connect", message("CONNECT / HTTP/1.1", "Host: a"), 501, "not_implemented")
refuses("method-connect-body", "9110-9.3.6-connect attack-cl-0",
        message("CONNECT a:443 HTTP/1.1", "Host: a:443", "Content-Length: 40"), 501, "not_implemented")
refuses("method-trace", "9110-9.3.8-trace", message("TRACE / HTTP/1.1", "Host: a"), 501, "not_implemented")
refuses("method-trace-max-forwards", "9110-9.3.8-trace 9110-7.6.2-max-forwards",
        message("TRACE / HTTP/1.1", "Host: a", "Max-Forwards: 0"), 501, "not_implemented")
refuses("method-http2-preface", "9112-2.3-version", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported")

# ---- Versions

for version in ("HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/2.1", "HTTP/9.9"):
    refuses(f"version-{version[5:]}", "9112-2.3-version", f"GET / {version}\r\nHost: a\r\n\r\n", 505, "version_not_supported")
for minor in (2, 3, 9):
    # A higher minor version is treated as the highest that is known.
    forwards(f"version-1.{minor}", "9110-2.5-minor-version 9112-2.3-version",
             message(f"GET / HTTP/1.{minor}", "Host: a"), GET)
for name, version in {"small-letters": "http/1.1", "space": "HTTP/ 1.1", "two-digits": "HTTP/1.10", "leading-zero": "HTTP/01.1",
                      "no-minor": "HTTP/1", "no-slash": "HTTP1.1", "comma": "HTTP/1,1", "plus": "HTTP/+1.1",
                      "words": "HTTP/one.one", "https": "HTTPS/1.1", "nul": "HTTP/1.1\0", "tail": "HTTP/1.1x",
                      "icy": "ICY/1.1", "minus": "HTTP/-1.1"}.items():
    refuses(f"version-{name}", "9112-2.3-version", f"GET / {version}\r\nHost: a\r\n\r\n")
refuses("version-missing", "9112-2.3-version attack-http-0.9", "GET /\r\nHost: a\r\n\r\n")
refuses("version-missing-no-fields", "attack-http-0.9", "GET /\r\n\r\n")
case("version-1.0", "9110-6.2-own-version 9112-9.3-persistence", send(message("GET / HTTP/1.0", "Host: a")), sees(GET),
     answer(OK), told(message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", body="ok")), closed(), up_kept())

# ---- Space and line ends

for name, line in {
    "two-spaces-before-target": "GET  / HTTP/1.1", "two-spaces-before-version": "GET /  HTTP/1.1",
    "space-at-end": "GET / HTTP/1.1 ", "space-at-start": " GET / HTTP/1.1", "tab-at-start": "\tGET / HTTP/1.1",
    "tabs": "GET\t/\tHTTP/1.1", "tab-before-version": "GET /\tHTTP/1.1", "vertical-tab": "GET\x0b/\x0bHTTP/1.1",
    "form-feed": "GET /\x0cHTTP/1.1", "space-in-target": "GET /a b HTTP/1.1",
    "two-requests": "GET / HTTP/1.1 GET /admin HTTP/1.1", "cr-in-target": "GET /a\rb HTTP/1.1",
    "nbsp": "GET /\xa0HTTP/1.1", "nul-in-target": "GET /\0 HTTP/1.1",
}.items():
    refuses(f"request-line-{name}", "9112-3-request-line", line + "\r\nHost: a\r\n\r\n")
refuses("request-line-lf", "9112-2.2-bare-lf", "GET / HTTP/1.1\nHost: a\r\n\r\n")
refuses("request-line-cr", "9112-2.2-bare-cr", "GET / HTTP/1.1\rHost: a\r\n\r\n")
refuses("request-line-cr-cr-lf", "9112-2.2-bare-cr", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n")
refuses("request-line-lf-cr", "9112-2.2-bare-lf", "GET / HTTP/1.1\n\rHost: a\n\r\n\r")
refuses("whitespace-before-first-field", "9112-2.2-leading-space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n")
refuses("tab-before-first-field", "9112-2.2-leading-space", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n")
refuses("whitespace-before-second-request-line", "9112-2.2-leading-space", "GET / HTTP/1.1\r\n GET /admin HTTP/1.1\r\nHost: a\r\n\r\n")

forwards("empty-line-before", "9112-2.2-empty-line", b"\r\n" + GET, GET)
forwards("two-empty-lines-before", "9112-2.2-empty-line", b"\r\n\r\n" + GET, GET)
refuses("many-empty-lines-before", "9112-2.2-empty-line", b"\r\n" * 10 + GET)
refuses("bare-lf-before", "9112-2.2-empty-line 9112-2.2-bare-lf", b"\n" + GET)
refuses("bare-cr-before", "9112-2.2-empty-line 9112-2.2-bare-cr", b"\r" + GET)
case("empty-line-in-pieces", "9112-2.2-empty-line 9112-2.2-octets",
     send(GET), sees(GET), answer(OK), told(OK), send(b"\r"), send(b"\n"), kept(), up_kept())
case("empty-line-between", "9112-2.2-empty-line",
     send(message("POST / HTTP/1.1", "Host: a", "Content-Length: 3", body="abc") + b"\r\n"),
     sees(message("POST / HTTP/1.1", "Host: a", "Content-Length: 3", body="abc")), answer(OK), told(OK), kept(), up_kept())
refuses("tls-hello", "9112-2.2-not-http", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
refuses("ssh-hello", "9112-2.2-not-http", b"SSH-2.0-OpenSSH_9.2\r\n")
refuses("socks-hello", "9112-2.2-not-http", b"\x05\x01\x00")
refuses("proxy-protocol", "9112-2.2-not-http", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + GET)
refuses("proxy-protocol-v2", "9112-2.2-not-http", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\x7f\0\0\1\x7f\0\0\1\0\1\0\1")
refuses("response-as-request", "9112-2.2-not-http", OK)

# ---- Pieces: the cut between two reads must not matter.

for at in range(1, len(GET), 5):
    case(f"request-cut-at-{at}", "9112-2.2-octets", send(GET[:at], GET[at:]), sees(GET), answer(OK), told(OK), kept())
case("request-byte-by-byte", "9112-2.2-octets", send(*[GET[i:i + 1] for i in range(len(GET))]), sees(GET), answer(OK),
     told(OK), kept(), up_kept())
case("response-byte-by-byte", "9112-2.2-octets", send(GET), sees(GET), answer(*[OK[i:i + 1] for i in range(len(OK))]),
     told(OK), kept(), up_kept())

# ---- Forms of the target

forwards("absolute-form", "9112-3.2.2-absolute-form", message("GET http://a/x?y=1 HTTP/1.1", "Host: a"),
         message("GET /x?y=1 HTTP/1.1", "Host: a"))
forwards("absolute-form-capitals", "9112-3.2.2-absolute-form 9110-4.2.3-normal-form", message("GET HTTP://a/x HTTP/1.1", "Host: a"),
         message("GET /x HTTP/1.1", "Host: a"))
forwards("absolute-form-no-path", "9112-3.2.1-empty-path", message("GET http://a HTTP/1.1", "Host: a"), GET)
forwards("absolute-form-query-only", "9112-3.2.1-empty-path", message("GET http://a?x=1 HTTP/1.1", "Host: a"),
         message("GET /?x=1 HTTP/1.1", "Host: a"))
forwards("absolute-form-port", "9112-3.2.2-absolute-form", message("GET http://a:81/ HTTP/1.1", "Host: a:81"),
         message("GET / HTTP/1.1", "Host: a:81"))
forwards("absolute-form-default-port", "9110-4.2.3-normal-form", message("GET http://a:80/ HTTP/1.1", "Host: a"),
         message("GET / HTTP/1.1", "Host: a:80"))
forwards("absolute-form-host-in-other-case", "9110-4.2.3-normal-form", message("GET http://A/ HTTP/1.1", "Host: a"),
         message("GET / HTTP/1.1", "Host: A"))
# TLS ends before us, so a target may say https; whether it did is the terminator's to say.
forwards("absolute-form-https", "9112-3.2.2-absolute-form", message("GET https://a/x HTTP/1.1", "Host: a"),
         message("GET /x HTTP/1.1", "Host: a"))
for name, target, host in (
        ("other-host", "http://b/", "a"), ("other-port", "http://a:81/", "a"), ("other-port-in-host", "http://a/", "a:81"),
        ("subdomain", "http://a.b/", "b"), ("ipv6", "http://[::1]/", "[::2]"), ("dot", "http://a./", "a"),
        ("https-port", "https://a/", "a:80")):
    refuses(f"absolute-form-{name}", "9112-3.2.2-host-agrees attack-host-confusion",
            message(f"GET {target} HTTP/1.1", f"Host: {host}"))
for name, target in {"user": "http://u@a/", "password": "http://u:p@a/", "no-host": "http:///x", "no-slashes": "http:a/x",
                     "one-slash": "http:/a/x", "ftp": "ftp://a/", "file": "file:///etc/passwd", "gopher": "gopher://a/",
                     "empty-authority-port": "http://:80/", "fragment": "http://a/#x", "ws": "ws://a/",
                     "port-too-large": "http://a:65536/", "port-words": "http://a:http/", "backslash": "http://a\\@b/",
                     "encoded-host": "http://%61/", "bracket": "http://[::1/", "unix": "http+unix://a/"}.items():
    refuses(f"absolute-form-{name}", "9112-3.2-bad-target attack-host-confusion", message(f"GET {target} HTTP/1.1", "Host: a"))
refuses("absolute-form-no-host-field", "9112-3.2-host-needed", message("GET http://a/ HTTP/1.1"))
case("absolute-form-1.0-no-host-field", "9112-3.2.2-absolute-form", send(message("GET http://a/x HTTP/1.0")),
     sees(message("GET /x HTTP/1.1", "Host: a")), answer(OK),
     told(message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", body="ok")), closed())
refuses("authority-form", "9112-3.2.3-authority-form", message("GET a:80 HTTP/1.1", "Host: a:80"))
refuses("no-slash", "9112-3.2-bad-target", message("GET x HTTP/1.1", "Host: a"))
refuses("query-alone", "9112-3.2-bad-target", message("GET ?x=1 HTTP/1.1", "Host: a"))
passes("asterisk-form", "9112-3.2.4-asterisk-form", message("OPTIONS * HTTP/1.1", "Host: a"))
forwards("asterisk-form-absolute", "9112-3.2.4-asterisk-form", message("OPTIONS http://a HTTP/1.1", "Host: a"),
         message("OPTIONS * HTTP/1.1", "Host: a"))
forwards("options-absolute-root", "9112-3.2.4-asterisk-form", message("OPTIONS http://a/ HTTP/1.1", "Host: a"),
         message("OPTIONS / HTTP/1.1", "Host: a"))
for method in ("GET", "HEAD", "POST", "BREW"):
    head = method == "HEAD"
    case(f"asterisk-form-{method.lower()}", "9112-3.2.4-asterisk-form", send(message(f"{method} * HTTP/1.1", "Host: a")),
         local(400, "bad_request", head=head), closed(), nothing())
refuses("asterisk-and-path", "9112-3.2.4-asterisk-form", message("OPTIONS */x HTTP/1.1", "Host: a"))
refuses("asterisk-query", "9112-3.2.4-asterisk-form", message("OPTIONS *?x HTTP/1.1", "Host: a"))

# ---- Lengths

long_path = "/" + "a" * 1023
passes("target-at-limit", "9112-3-long-target", message(f"GET {long_path} HTTP/1.1", "Host: a"))
refuses("target-over-limit", "9112-3-long-target", message(f"GET {long_path}b HTTP/1.1", "Host: a"), 414, "target_too_long")
refuses("target-endless", "9112-3-long-target", "GET /" + "a" * 70000, 414, "target_too_long")
refuses("query-over-limit", "9112-3-long-target", message("GET /?" + "a" * 1023 + " HTTP/1.1", "Host: a"), 414, "target_too_long")
refuses("absolute-form-over-limit", "9112-3-long-target", message("GET http://a" + long_path + " HTTP/1.1", "Host: a"), 414,
        "target_too_long")

# ---- Answers of our own

case("no-route", "9112-9.3-persistence", send(message("PURGE / HTTP/1.1", "Host: a")), local(404, "no_route", close=False),
     kept())
case("no-route-pipelined", "9112-9.3.2-pipelining", send(message("PURGE / HTTP/1.1", "Host: a") + GET),
     local(404, "no_route", close=False), sees(GET), answer(OK), told(OK), kept())
case("no-route-with-body", "attack-bytes-after-local-answer",
     send(message("PURGE / HTTP/1.1", "Host: a", f"Content-Length: {len(PRIZE)}") + PRIZE),
     local(404, "no_route"), closed(), nothing())
case("no-route-with-chunks", "attack-bytes-after-local-answer",
     send(message("PURGE / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PRIZE), PRIZE)),
     local(404, "no_route"), closed(), nothing())
case("no-route-expect", "attack-bytes-after-local-answer 9110-10.1.1-expect",
     send(message("PURGE / HTTP/1.1", "Host: a", "Content-Length: 5", "Expect: 100-continue")), local(404, "no_route"),
     closed(), nothing())
case("no-route-head", "9110-9.3.2-head", send(message("HEAD / HTTP/1.1", "Host: a")), sees(message("HEAD / HTTP/1.1", "Host: a")),
     answer(message("HTTP/1.1 404 Not Found", "Content-Length: 9")), told(message("HTTP/1.1 404 Not Found", "Content-Length: 9")),
     kept())
