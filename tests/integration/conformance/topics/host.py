"""Host: who is asked (RFC 9112 section 3.2, RFC 9110 section 7.2)."""

from ..case import GET, OK, answer, case, closed, forwards, message, nothing, passes, refuses, sees, send, told

for name, host in {"name": "a", "dots": "a.b.example", "digits": "127.0.0.1", "port": "a:8080", "empty-port": "a:", "capitals": "A.Example",
                   "dash": "a-b.example", "underscore": "a_b.example", "ipv6": "[::1]", "ipv6-port": "[::1]" + ":81",
                   "ipv4-in-ipv6": "[::ffff:1.2.3.4]", "dot-at-end": "a.example.", "longest": "a" * 255, "port-max": "a:65535",
                   "punycode": "xn--bcher-kva.example"}.items():
    passes(f"host-{name}", "9112-3.2-host", message("GET / HTTP/1.1", f"Host: {host}"))
passes("host-name-in-capitals", "9110-5.1-names", message("GET / HTTP/1.1", "HOST: a"))
passes("host-not-first", "9110-5.3-order", message("GET / HTTP/1.1", "X-A: 1", "Host: a", "X-B: 2"))
for name, host in {"space-behind": "Host: a ", "space-before": "Host:   a", "no-space": "Host:a", "tab": "Host:\ta\t"}.items():
    passes(f"host-{name}", "9112-5.1-whitespace", message("GET / HTTP/1.1", host))

refuses("host-missing", "9112-3.2-host-needed", message("GET / HTTP/1.1"))
refuses("host-missing-other-fields", "9112-3.2-host-needed", message("GET / HTTP/1.1", "X-Host: a", "X-Forwarded-Host: a"))
for name, lines in {"different": ("Host: a", "Host: b"), "equal": ("Host: a", "Host: a"), "other-case": ("Host: a", "host: b"),
                    "apart": ("Host: a", "X: y", "Host: b"), "empty-second": ("Host: a", "Host:"), "empty-first": ("Host:", "Host: a")}.items():
    refuses(f"two-hosts-{name}", "9112-3.2-host-needed attack-host-confusion", message("GET / HTTP/1.1", *lines))
for name, host in {
    "list": "a, b", "list-no-space": "a,b", "space": "a b", "tab": "a\tb", "path": "a/b", "path-alone": "/", "query": "a?b", "fragment": "a#b",
    "user": "u@a", "password": "u:p@a", "scheme": "http://a", "backslash": "a\\b", "port-words": "a:http", "port-minus": "a:-1",
    "port-plus": "a:+80", "port-space": "a: 80", "port-too-large": "a:65536", "port-long": "a:000080", "two-ports": "a:80:80",
    "bracket-open": "[::1", "bracket-close": "::1]", "ipv6-bare": "::1", "bracket-words": "[a]", "bracket-empty": "[]", "zone": "[fe80::1%25eth0]",
    "percent": "%61", "high-byte": "\xe4", "quote": '"a"', "dot-first": ".a", "two-dots": "a..b", "dot-alone": ".", "semicolon": "a;b",
    "angle": "<a>", "empty": "", "colon-alone": ":", "port-alone": ":80", "star": "*", "too-long": "a" * 256, "nul-escape": "a%00", "behind-bracket": "[::1]a"}.items():
    refuses(f"host-refused-{name}", "9112-3.2-host attack-host-confusion", message("GET / HTTP/1.1", f"Host: {host}"))

closing = message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", body="ok")
case("host-1.0", "9112-3.2-host", send(message("GET / HTTP/1.0", "Host: a")), sees(GET), answer(OK), told(closing), closed())
case("host-1.0-none", "9112-3.2-host-needed", send(message("GET / HTTP/1.0")),
     sees(message("GET / HTTP/1.1", "Host: ")), answer(OK), told(closing), closed())
refuses("host-1.0-two", "9112-3.2-host-needed", message("GET / HTTP/1.0", "Host: a", "Host: b"))
refuses("host-1.0-bad", "9112-3.2-host", message("GET / HTTP/1.0", "Host: a b"))
