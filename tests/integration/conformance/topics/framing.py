"""Where a request's body ends (RFC 9112 section 6), and every published way of being of two minds about it."""

from ..case import GET, OK, PRIZE, answer, case, chunks, closed, forwards, kept, local, message, nothing, passes, refuses, sees, send, told, up_kept


def post(*lines, body=b""):
    return message("POST / HTTP/1.1", "Host: a", *lines, body=body)


LAST = "0\r\n\r\n"

# ---- Content-Length

passes("length", "9112-6.2-length", post("Content-Length: 5", body="hello"))
passes("length-0", "9112-6.2-length", post("Content-Length: 0"))
passes("length-none", "9112-6.3-no-body", post())
passes("length-get", "9112-6.2-length attack-cl-0", message("GET / HTTP/1.1", "Host: a", f"Content-Length: {len(PRIZE)}", body=PRIZE))
forwards("length-leading-zeros", "9112-6.2-length", post("Content-Length: 0005", body="hello"), post("Content-Length: 5", body="hello"))
forwards("length-spaces", "9112-5.1-whitespace", post("Content-Length:  \t5 \t", body="hello"), post("Content-Length: 5", body="hello"))
forwards("length-in-small-letters", "9110-5.1-names", post("content-length: 5", body="hello"), post("Content-Length: 5", body="hello"))
passes("length-body-with-any-bytes", "9112-6.2-length", post("Content-Length: 256", body=bytes(range(256))))
big = bytes(range(256)) * 1024
passes("length-large", "9112-6.2-length", post(f"Content-Length: {len(big)}", body=big))
refuses("length-over-limit", "9110-15.5.14-too-large", post("Content-Length: 1048577"), 413, "body_too_large")
refuses("length-2^63", "9110-8.6-overflow", post("Content-Length: 9223372036854775808"), 413, "body_too_large")
refuses("length-2^64-1", "9110-8.6-overflow", post("Content-Length: 18446744073709551615"), 413, "body_too_large")
case("length-body-and-next-request", "9112-6.2-length attack-cl-0",
     send(post("Content-Length: 5", body="hello") + GET), sees(post("Content-Length: 5", body="hello")), answer(OK), told(OK),
     sees(GET), answer(OK), told(OK), kept())
case("length-0-and-next-request", "9112-6.2-length attack-cl-0", send(post("Content-Length: 0") + GET), sees(post("Content-Length: 0")), answer(OK),
     told(OK), sees(GET), answer(OK), told(OK), kept())
case("length-body-in-pieces", "9112-6.2-length", send(post("Content-Length: 6")), sees(post("Content-Length: 6")), send("he"), ("sees_raw", b"he"),
     send("llo"), ("sees_raw", b"llo"), send("!"), ("sees_raw", b"!"), answer(OK), told(OK), kept(), up_kept())
case("length-body-cut", "9112-8-incomplete", send(post("Content-Length: 6", body="abc")), sees(post("Content-Length: 6", body="abc")),
     ("client_ends",), ("up_closed",), closed())

for name, value in {
    "plus": "+5", "minus": "-5", "minus-0": "-0", "plus-0": "+0", "hex": "0x5", "octal": "0o5", "binary": "0b101", "exponent": "5e0", "point": "5.0", "comma": "5,", "comma-first": ",5",
    "underscore": "5_0", "inner-space": "5 0", "inner-tab": "5\t0", "words": "five", "quoted": '"5"', "list-equal": "5, 5", "list-different": "5, 6", "list-no-space": "5,5",
    "list-three": "5,5,5", "parameter": "5;x", "semicolon": "5;", "letter-behind": "5a", "letter-before": "a5", "empty": "", "spaces-only": "  ", "star": "*", "percent": "%35", "nul-word": "null",
    "nan": "NaN", "infinity": "Infinity", "two^64": "18446744073709551616", "two^64+5": "18446744073709551621", "21-digits": "184467440737095516150", "huge": "9" * 100,
    "zeros-and-huge": "0" * 30 + "5", "full-width": "\xef\xbc\x95", "superscript": "\xb2", "arabic": "\xd9\xa5", "parentheses": "(5)", "brackets": "[5]", "dollar": "$5", "dot": ".5", "colon": "5:", "slash": "5/5",
}.items():
    refuses(f"length-{name}", "9112-6.3-invalid-length attack-cl", post(f"Content-Length: {value}", body="hello"))
for name, lines in {
    "different": ("Content-Length: 5", "Content-Length: 6"), "equal": ("Content-Length: 5", "Content-Length: 5"), "zero-first": ("Content-Length: 0", "Content-Length: 5"),
    "zero-second": ("Content-Length: 5", "Content-Length: 0"), "apart": ("Content-Length: 5", "X: y", "content-length: 5"), "empty-second": ("Content-Length: 5", "Content-Length:"),
}.items():
    refuses(f"two-lengths-{name}", "9112-6.3-invalid-length attack-cl-cl", post(*lines, body="hello"))
for name, lines in {
    "space-before-colon": "Content-Length : 5", "tab-before-colon": "Content-Length\t: 5", "nul": "Content-Length: 5\0", "vertical-tab": "Content-Length:\x0b5", "folded": "Content-Length:\r\n 5",
    "folded-digits": "Content-Length: 1\r\n 0", "cr": "Content-Length:\r5", "lf": "X: y\nContent-Length: 5", "backspace": "Content-Length: 5\x08", "control-in-name": "Content-\x01Length: 5",
    "high-byte-in-name": "Content-Length\xa0: 5", "name-space": " Content-Length: 5", "plus-name": "Content Length: 5",
}.items():
    refuses(f"length-hidden-{name}", "9112-5-field-line attack-cl", f"POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\nhello")

# ---- Transfer-Encoding

passes("chunked", "9112-6.1-chunked", post("Transfer-Encoding: chunked", body=chunks("hello", " world")))
passes("chunked-empty", "9112-6.1-chunked", post("Transfer-Encoding: chunked", body=chunks()))
forwards("chunked-in-capitals", "9112-7-names", post("TRANSFER-ENCODING: CHUNKED", body=chunks("x")), post("Transfer-Encoding: chunked", body=chunks("x")))
forwards("chunked-mixed-case", "9112-7-names", post("Transfer-Encoding: ChUnKeD", body=chunks("x")), post("Transfer-Encoding: chunked", body=chunks("x")))
forwards("chunked-spaces", "9112-5.1-whitespace", post("Transfer-Encoding: \t chunked \t", body=chunks("x")), post("Transfer-Encoding: chunked", body=chunks("x")))
case("chunked-and-next-request", "9112-6.1-chunked", send(post("Transfer-Encoding: chunked", body=chunks("abc")) + GET),
     sees(post("Transfer-Encoding: chunked", body=chunks("abc"))), answer(OK), told(OK), sees(GET), answer(OK), told(OK), kept())
passes("chunked-get", "9112-6.1-chunked attack-te-0", message("GET / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=chunks("abc")))
passes("chunked-delete", "9112-6.1-chunked attack-te-0", message("DELETE / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=chunks("abc")))
passes("chunked-options", "9112-6.1-chunked attack-te-0", message("OPTIONS / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=chunks("GET / HTTP/1.1\r\n\r\n")))
case("chunked-head-method", "9110-9.3.2-head attack-te-0", send(message("HEAD / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=chunks("abc"))),
     sees(message("HEAD / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=chunks("abc"))), answer(message("HTTP/1.1 200 OK", "Content-Length: 5")),
     told(message("HTTP/1.1 200 OK", "Content-Length: 5")), kept(), up_kept())

for name, lines, body in (
        ("cl-te", ("Content-Length: 6", "Transfer-Encoding: chunked"), "0\r\n\r\nG"), ("te-cl", ("Transfer-Encoding: chunked", "Content-Length: 4"), "5c\r\nGPOST"),
        ("cl-0-te", ("Content-Length: 0", "Transfer-Encoding: chunked"), LAST), ("te-cl-0", ("Transfer-Encoding: chunked", "Content-Length: 0"), LAST),
        ("cl-te-agreeing", ("Content-Length: 5", "Transfer-Encoding: chunked"), LAST), ("cl-te-apart", ("Content-Length: 5", "X: y", "Transfer-Encoding: chunked"), LAST),
        ("cl-te-identity", ("Content-Length: 5", "Transfer-Encoding: identity"), "hello"), ("cl-te-empty", ("Content-Length: 5", "Transfer-Encoding:"), "hello"),
        ("cl-te-gzip", ("Content-Length: 5", "Transfer-Encoding: gzip, chunked"), LAST), ("cl-te-other-case", ("content-length: 5", "TRANSFER-encoding: chunked"), LAST)):
    refuses(f"both-{name}", "9112-6.3-both attack-cl-te", post(*lines, body=body))
for name, lines in {
    "twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "identity-behind": ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    "identity-first": ("Transfer-Encoding: identity", "Transfer-Encoding: chunked"), "nonsense-behind": ("Transfer-Encoding: chunked", "Transfer-Encoding: cow"),
    "nonsense-first": ("Transfer-Encoding: cow", "Transfer-Encoding: chunked"), "empty-behind": ("Transfer-Encoding: chunked", "Transfer-Encoding:"),
    "other-case": ("Transfer-Encoding: chunked", "transfer-encoding: x"),
}.items():
    refuses(f"coding-two-{name}", "9112-6.1-chunked-once attack-te-te", post(*lines, body=LAST))
for name, value in {
    "twice": "chunked, chunked", "twice-no-space": "chunked,chunked", "identity-behind": "chunked, identity", "gzip-behind": "chunked, gzip", "identity": "identity", "gzip": "gzip", "xchunked": "xchunked", "chunkedx": "chunkedx",
    "x-chunked": "x-chunked", "chunk": "chunk", "quoted": '"chunked"', "single-quoted": "'chunked'", "parameter": "chunked;q=1", "parameter-empty": "chunked;", "weight": "chunked; q=0", "comma": "chunked,", "comma-first": ",chunked",
    "commas": ",,chunked", "semicolon-first": ";chunked", "empty": "", "spaces": "   ", "word-behind": "chunked foo", "word-before": "foo chunked", "tab-inside": "chun\tked", "space-inside": "chun ked", "colon": ": chunked", "equals": "=chunked",
    "brackets": "[chunked]", "percent": "%63hunked", "false": "false", "star": "*", "dot": "chunked.", "slash": "chunked/1", "dollar": "$chunked", "plus": "+chunked", "long-s": "chun\xc5\xbfked", "kelvin": "chun\xe2\x84\xaaed",
    "nbsp": "\xa0chunked", "nbsp-behind": "chunked\xa0", "next-line": "chunked\x85", "bom": "\xef\xbb\xbfchunked", "zero-width": "chunked\xe2\x80\x8b", "full-width": "\xef\xbd\x83hunked", "backslash": "chunke\\d", "null-word": "null",
}.items():
    refuses(f"coding-{name}", "9112-6.3-not-chunked attack-te-obfuscated", post(f"Transfer-Encoding: {value}", body=LAST))
for name, value in {"gzip-chunked": "gzip, chunked", "deflate-chunked": "deflate, chunked", "compress-chunked": "compress,chunked", "two-chunked": "gzip, deflate, chunked", "unknown-chunked": "cow, chunked",
                    "identity-chunked": "identity, chunked", "parameter-chunked": "gzip;level=1, chunked", "x-gzip-chunked": "X-GZIP, Chunked"}.items():
    refuses(f"coding-{name}", "9112-6.1-unknown-coding", post(f"Transfer-Encoding: {value}", body=LAST), 501, "not_implemented")
for name, line in {
    "space-before-colon": "Transfer-Encoding : chunked", "tab-before-colon": "Transfer-Encoding\t: chunked", "leading-space": " Transfer-Encoding: chunked", "leading-tab": "\tTransfer-Encoding: chunked",
    "vertical-tab": "Transfer-Encoding:\x0bchunked", "form-feed": "Transfer-Encoding:\x0cchunked", "nul": "Transfer-Encoding: chunked\0", "nul-first": "Transfer-Encoding:\0chunked", "nul-in-name": "Transfer-Encoding\0: chunked",
    "cr-behind-colon": "Transfer-Encoding:\rchunked", "lf-behind-colon": "Transfer-Encoding:\nchunked", "folded": "Transfer-Encoding:\r\n chunked", "folded-tab": "Transfer-Encoding:\r\n\tchunked", "behind-lf": "X: y\nTransfer-Encoding: chunked",
    "behind-cr": "X: y\rTransfer-Encoding: chunked", "behind-fold": "X: y\r\n Transfer-Encoding: chunked", "backspace": "Transfer-Encoding: \x08chunked", "del": "Transfer-Encoding: chunked\x7f", "escape": "\x1bTransfer-Encoding: chunked",
    "no-colon": "Transfer-Encoding chunked", "space-in-name": "Transfer Encoding: chunked", "high-byte-in-name": "Transfer-Encoding\xff: chunked", "quoted-name": '"Transfer-Encoding": chunked', "two-colons-space": "Transfer-Encoding :: chunked",
    "cr-cr-lf": "Transfer-Encoding: chunked\r", "lf-lf": "Transfer-Encoding: chunked\n", "fold-behind": "Transfer-Encoding: chunked\r\n ", "colon-first": ":Transfer-Encoding: chunked",
}.items():
    refuses(f"coding-hidden-{name}", "9112-5-field-line attack-te-obfuscated", f"POST / HTTP/1.1\r\nHost: a\r\n{line}\r\nContent-Length: 5\r\n\r\n{LAST}")
    refuses(f"coding-hidden-alone-{name}", "9112-5-field-line attack-te-obfuscated", f"POST / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n{LAST}")

# Another field that only looks alike is no coding; there is no body, and what follows is a request. It is answered like any other.
for name, line in {"underscore": "Transfer_Encoding: chunked", "x": "X-Transfer-Encoding: chunked", "plural": "Transfer-Encodings: chunked", "dash": "Transfer--Encoding: chunked"}.items():
    seen = GET if name == "underscore" else message("GET / HTTP/1.1", "Host: a", line)
    case(f"coding-lookalike-{name}", "attack-te-obfuscated attack-underscore", send(message("GET / HTTP/1.1", "Host: a", line) + GET), sees(seen), answer(OK), told(OK),
         sees(GET), answer(OK), told(OK), kept())

refuses("coding-in-1.0", "9112-6.1-no-coding-in-1.0 attack-te-1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST)
refuses("coding-in-1.0-keep-alive", "9112-6.1-no-coding-in-1.0 attack-te-1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST)
refuses("coding-in-1.0-with-length", "9112-6.1-no-coding-in-1.0 attack-te-1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST)
closing = message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", body="ok")
case("length-in-1.0", "9112-6.2-length", send(message("POST / HTTP/1.0", "Host: a", "Content-Length: 5", body="hello")), sees(post("Content-Length: 5", body="hello")), answer(OK), told(closing), closed())
case("body-in-1.0-without-length", "9112-6.3-no-body", send(message("POST / HTTP/1.0", "Host: a", body="hello")), sees(post()), answer(OK), told(closing), closed(), up_kept())

# A body that nobody waits for ("0.CL", "CL.0", "Expect" desynchronisation): what the upstream has not taken never becomes a request.
case("early-answer-then-prize", "attack-0-cl 9112-9.3-early", send(post(f"Content-Length: {len(PRIZE)}")), sees(post(f"Content-Length: {len(PRIZE)}")), answer(OK), told(closing), send(PRIZE), closed(),
     ("up_closed",), nothing())
case("local-answer-then-prize", "attack-bytes-after-local-answer", send(message("PURGE / HTTP/1.1", "Host: a", f"Content-Length: {len(PRIZE)}")), local(404, "no_route"), send(PRIZE), closed(), nothing())
