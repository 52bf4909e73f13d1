"""Field lines: their grammar, their limits, and what must not change about them (RFC 9112 section 5, RFC 9110 section 5)."""

from ..case import bad_answer, forwards, message, passes, refuses, returns

# ---- Kept as they are: names, values, order, repetition

passes("fields-order", "9110-5.3-order", message("GET / HTTP/1.1", "Z: 1", "Host: a", "A: 2", "Z: 3", "a: 4", "M: 5"))
passes("fields-case", "9110-5.1-names", message("GET / HTTP/1.1", "hOsT: a", "x-LOWER-upper: Value", "ACCEPT: */*"))
passes("fields-empty-value", "9110-5.5-values", message("GET / HTTP/1.1", "Host: a", "X-Empty:", "X-Spaces:   ", "X-Last: 1"))
passes("fields-inner-space", "9110-5.5-values", message("GET / HTTP/1.1", "Host: a", "X: a  b\tc", "Y:  d  "))
passes("fields-colons", "9110-5.5-values", message("GET / HTTP/1.1", "Host: a", "X: a:b::c", "Y::", "Z: :"))
passes("fields-high-bytes", "9110-5.5-values", message("GET / HTTP/1.1", "Host: a", "X: \x80\xff\xc3\xa4"))
passes("fields-all-token-characters", "9110-5.1-names", message("GET / HTTP/1.1", "Host: a", "!#$%&'*+-.^_`|~09azAZ: x"))
passes("fields-one-letter", "9110-5.1-names", message("GET / HTTP/1.1", "Host: a", "X: y", "z: w"))
passes("fields-list-members-repeated", "9110-5.3-order",
       message("GET / HTTP/1.1", "Host: a", "Accept: text/html", "Accept: */*;q=0.1", "Cookie: a=1", "Cookie: b=2"))
passes("fields-quoted", "9110-5.5-values", message("GET / HTTP/1.1", "Host: a", 'X: "a, b\\"c"', 'If-None-Match: W/"x"'))
passes("fields-unknown", "9110-5.1-names", message("GET / HTTP/1.1", "Host: a", "Brand-New-Field: 1", "X-Clacks-Overhead: GNU"))
passes("fields-end-to-end", "9110-7.7-content-fields",
       message("GET / HTTP/1.1", "Host: a", "Authorization: Basic eA==", "Cookie: a=b", "Range: bytes=0-1", "If-Match: *",
               "Cache-Control: no-transform", "Accept-Encoding: gzip", "Referer: http://a/", "Origin: null", "From: a@b",
               "Pragma: no-cache", "User-Agent: x", "Content-Type: text/plain", "Date: x"))

passes("conditional-fields", "9110-13.2.1-preconditions",
       message("GET / HTTP/1.1", "Host: a", 'If-Match: "a", W/"b"', "If-None-Match: *",
               "If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT", "If-Unmodified-Since: yesterday",
               'If-Range: "x"', "Range: bytes=0-1, 5-"))
passes("conditional-put", "9110-13.2.1-preconditions",
       message("PUT / HTTP/1.1", "Host: a", 'If-Match: "a"', "Content-Range: bytes 0-2/9", "Content-Length: 3",
               body="abc"))

returns("response-fields-order", "9110-5.3-order",
        message("HTTP/1.1 200 OK", "Z: 1", "A: 2", "z: 3", "Content-Length: 0", ), None)
returns("response-set-cookie", "9110-5.3-set-cookie",
        message("HTTP/1.1 200 OK", "Set-Cookie: a=1; Path=/", "X: y", "Set-Cookie: b=2, c", "set-cookie: a=3", "Content-Length: 0"))
returns("response-fields-end-to-end", "9110-7.7-content-fields 9110-5.5-values",
        message("HTTP/1.1 200 OK", "ETag: \"x\"", "Last-Modified: y", "Content-Type: text/html", "Content-Encoding: gzip",
                "Content-Location: /z", "Content-Range: bytes 0-1/2", "Expires: 0", "Vary: *", "Age: 17", "Location: /w",
                "Retry-After: 3", "Server: s", "WWW-Authenticate: Basic", "X-Empty:", "X-High: \xe4", "Allow: GET",
                "Accept-Ranges: bytes", "Warning: 199 - x", "Content-Length: 2", body="ok"))
returns("response-authentication", "9110-7.7-content-fields 9110-5.3-order",
        message("HTTP/1.1 401 Unauthorized", 'WWW-Authenticate: Newauth realm="a, b", type=1', "X: y",
                'WWW-Authenticate: Basic realm="c"', 'Authentication-Info: nextnonce="d"', "Content-Length: 0"))
returns("response-date-kept", "9110-6.6.1-date",
        message("HTTP/1.1 200 OK", "Date: Mon, 01 Jan 2001 00:00:00 GMT", "Age: 5", "Content-Length: 0"))
returns("response-date-odd-kept", "9110-6.6.1-date", message("HTTP/1.1 200 OK", "Date: yesterday", "Content-Length: 0"))
returns("response-date-added", "9110-6.6.1-date", message("HTTP/1.1 200 OK", "Content-Length: 0"))
returns("response-field-whitespace", "9112-5.1-whitespace", message("HTTP/1.1 200 OK", "X:   a  ", "Y:b", "Content-Length: 0"))

# ---- Grammar

for name, line in {
    "space-before-colon": "X : y", "tab-before-colon": "X\t: y", "spaces-before-colon": "X   : y", "no-colon": "X y", "name-alone": "X",
    "empty-name": ": y", "empty-name-spaced": " : y", "space-in-name": "X Y: z", "space-first": " X: y", "tab-first": "\tX: y",
    "nul-in-name": "X\0: y", "nul-in-value": "X: a\0b", "control-in-name": "X\x01: y", "control-in-value": "X: a\x01b", "del-in-value": "X: a\x7f",
    "escape-in-value": "X: \x1b[31m", "vertical-tab-in-value": "X: a\x0bb", "form-feed-in-value": "X:\x0cb", "backspace-in-value": "X: a\x08",
    "high-byte-in-name": "X\xe4: y", "nbsp-before-colon": "X\xa0: y", "bracket-in-name": "X[0]: y", "slash-in-name": "X/Y: z",
    "at-in-name": "X@: y", "comma-in-name": "X,Y: z", "semicolon-in-name": "X;: y", "equals-in-name": "X=: y", "quote-in-name": '"X": y',
    "backslash-in-name": "X\\: y", "angle-in-name": "<X>: y", "brace-in-name": "X{}: y", "question-in-name": "X?: y",
}.items():
    refuses(f"field-{name}", "9112-5-field-line attack-header-injection", f"GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")
    bad_answer(f"response-field-{name}", "9112-5-field-line attack-response-splitting",
               f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{line}\r\n\r\n")
for name, lines in {
    "fold-space": "X: a\r\n b", "fold-tab": "X: a\r\n\tb", "fold-empty": "X:\r\n y", "fold-only-space": "X: a\r\n ", "fold-twice": "X: a\r\n b\r\n c",
}.items():
    refuses(f"field-{name}", "9112-5.2-fold", f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")
    bad_answer(f"response-field-{name}", "9112-5.2-fold", f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}\r\n\r\n")
for name, lines, rule in (
        ("bare-lf", "X: a\nY: b", "lf"), ("lf-at-end", "X: a\n", "lf"), ("bare-cr", "X: a\rY: b", "cr"), ("cr-at-end", "X: a\r", "cr"),
        ("cr-cr-lf", "X: a\r\r", "cr"), ("lf-cr", "X: a\n\rY: b", "lf"), ("cr-first", "\rX: a", "cr"), ("lf-first", "\nX: a", "lf"),
        ("cr-in-name", "X\rY: b", "cr"), ("lf-in-name", "X\nY: b", "lf"), ("cr-before-colon", "X\r: y", "cr"), ("cr-behind-colon", "X:\ry", "cr")):
    refuses(f"field-{name}", f"9112-2.2-bare-{rule} attack-header-injection", f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")
    bad_answer(f"response-field-{name}", f"9112-2.2-bare-{rule} attack-response-splitting",
               f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}\r\n\r\n")
refuses("head-ends-with-lf", "9112-2.2-bare-lf", "GET / HTTP/1.1\r\nHost: a\r\n\n")
refuses("head-all-lf", "9112-2.2-bare-lf", "GET / HTTP/1.1\nHost: a\n\n")
refuses("head-ends-with-cr", "9112-2.2-bare-cr", "GET / HTTP/1.1\r\nHost: a\r\n\rX")
bad_answer("response-head-ends-with-lf", "9112-2.2-bare-lf", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n")
bad_answer("response-head-all-lf", "9112-2.2-bare-lf", "HTTP/1.1 200 OK\nContent-Length: 0\n\n")

# ---- Names that other servers read as another field

for name in ("Content_Length", "Transfer_Encoding", "X_Forwarded_For", "X-Forwarded_For", "X_Forwarded_Proto", "X_Forwarded_Host",
             "X_Canaryd_Cohort", "X-Canaryd_Rollout", "X_Forwarded_Port"):
    forwards(f"underscored-{name.lower()}", "attack-underscore",
             message("GET / HTTP/1.1", "Host: a", f"{name}: 5", "X: y"), message("GET / HTTP/1.1", "Host: a", "X: y"))

# ---- Limits

room = 8192 - len(message("GET / HTTP/1.1", "Host: a", "X: "))
passes("head-at-limit", "9110-5.4-limits", message("GET / HTTP/1.1", "Host: a", "X: " + "x" * room))
refuses("head-over-limit", "9110-5.4-limits", message("GET / HTTP/1.1", "Host: a", "X: " + "x" * (room + 1)), 431, "headers_too_large")
refuses("head-far-over-limit", "9110-5.4-limits", message("GET / HTTP/1.1", "Host: a", "X: " + "x" * 300000), 431, "headers_too_large")
refuses("name-over-limit", "9110-5.4-limits", message("GET / HTTP/1.1", "Host: a", "x" * 9000 + ": y"), 431, "headers_too_large")
refuses("head-endless-lines", "9110-5.4-limits", "GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 5000, 431, "headers_too_large")
passes("field-count-at-limit", "9110-5.4-limits", message("GET / HTTP/1.1", "Host: a", *[f"X{i}: y" for i in range(63)]))
refuses("field-count-over-limit", "9110-5.4-limits", message("GET / HTTP/1.1", "Host: a", *[f"X{i}: y" for i in range(64)]), 431,
        "headers_too_large")
returns("response-long-head", "9110-5.4-limits", message("HTTP/1.1 200 OK", "X: " + "x" * 240000, "Content-Length: 0"))
bad_answer("response-head-over-limit", "9110-5.4-limits attack-endless-head",
           message("HTTP/1.1 200 OK", "X: " + "x" * 270000, "Content-Length: 0"))
bad_answer("response-head-endless", "9110-5.4-limits attack-endless-head", "HTTP/1.1 200 OK\r\n" + "X: y\r\n" * 50000)
bad_answer("response-field-count", "9110-5.4-limits attack-endless-head", message("HTTP/1.1 200 OK", *["X: y"] * 1000, "Content-Length: 0"))
