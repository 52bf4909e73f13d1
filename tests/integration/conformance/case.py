"""What a case is, and the words in which cases are written.

A case is a list of steps, played in order by one client and one upstream, with the real binary between them:

  send(bytes...)       the client sends; several arguments are several writes
  sees(text)           the upstream must receive exactly this message, apart from what canaryd adds (see wire.py)
  sees_raw(bytes)      the next bytes at the upstream, as they are
  answer(bytes...)     the upstream sends
  told(text)           the client must receive exactly this message, apart from what canaryd adds
  told_raw(bytes)      the next bytes at the client, as they are
  local(status, word)  the client must receive an answer of canaryd's own; close=False: the connection stays
  closed()             the client must see the end of the connection, and not a byte before it
  cut()                the same, but a reset will do
  kept()               the client's next request is answered as if nothing had been before it
  up_closed()          canaryd closes the connection to the upstream, without another byte
  up_kept()            the next request, of any client, comes over the same upstream connection
  up_fresh()           the next request comes over another upstream connection
  nothing()            nothing at all has reached the upstream
  client_ends()        the client sends its FIN
  up_ends(), up_resets()  the upstream closes, or breaks, its connection

Texts are whole messages with real line ends: message() and chunks() make them. Every case ends with a look at both
ends for bytes that nobody has asked for.
"""

from dataclasses import dataclass, field

CRLF = b"\r\n"


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def message(*lines, body=b""):
    """Start line and field lines to a message."""
    return b"".join(to_bytes(line) + CRLF for line in lines) + CRLF + to_bytes(body)


def chunks(*pieces, trailers=()):
    """A chunked body of these pieces."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in map(to_bytes, pieces))
    return body + b"0\r\n" + b"".join(to_bytes(line) + CRLF for line in trailers) + CRLF


@dataclass
class Case:
    name: str
    rules: tuple
    steps: list
    listener: str = "public"
    more: dict = field(default_factory=dict)


CASES = {}


def case(name, rules, *steps, listener="public"):
    """Adds a case. `rules` are keys of rules.py, in one string."""
    if name in CASES:
        raise ValueError(f"two cases are called {name}")
    CASES[name] = Case(name, tuple(rules.split()), list(steps), listener)


# ---- Steps


def send(*pieces):
    return ("send", [to_bytes(piece) for piece in pieces])


def sees(text):
    return ("sees", to_bytes(text))


def sees_raw(text):
    return ("sees_raw", to_bytes(text))


def answer(*pieces):
    return ("answer", [to_bytes(piece) for piece in pieces])


def told(text):
    return ("told", to_bytes(text))


def told_raw(text):
    return ("told_raw", to_bytes(text))


def local(status, word, close=True, head=False, detail=None):
    return ("local", status, word, close, head, detail)


def closed():
    return ("closed",)


def cut():
    return ("cut",)


def kept():
    return ("kept",)


def up_closed():
    return ("up_closed",)


def up_kept():
    return ("up_kept",)


def up_fresh():
    return ("up_fresh",)


def nothing():
    return ("nothing",)


def client_ends():
    return ("client_ends",)


def up_ends():
    return ("up_ends",)


def up_resets():
    return ("up_resets",)


# ---- Whole cases of the usual shapes

GET = message("GET / HTTP/1.1", "Host: a")
OK = message("HTTP/1.1 200 OK", "Content-Length: 2", body="ok")
# What a smuggler would like to see answered; it stands behind every request that must be refused.
PRIZE = message("GET /prize HTTP/1.1", "Host: prize")


def forwards(name, rules, request, seen, listener="public"):
    """A request that goes on as `seen`; the answer is a plain one, and both connections live on."""
    case(name, rules, send(request), sees(seen), answer(OK), told(OK), kept(), up_kept(), listener=listener)


def passes(name, rules, request, listener="public"):
    """A request that goes on as it is."""
    forwards(name, rules, request, request, listener)


def refuses(name, rules, request, status=400, word="bad_request", listener="public", prize=PRIZE, detail=None):
    """A request that is answered by canaryd, once, and ends the connection; nothing reaches the upstream."""
    case(name, rules, send(to_bytes(request) + prize), local(status, word, detail=detail), closed(), nothing(),
         listener=listener)


def refuses_body(name, rules, body, listener="public"):
    """A chunked body that is refused. The upstream sees its connection end before the body does."""
    request = message("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=body)
    case(name, rules, send(request + PRIZE), local(400, "bad_request"), closed(), ("up_cut_body",), listener=listener)


def returns(name, rules, response, seen_by_client=None, request=GET, seen=None, client="kept", up="kept"):
    """A response that reaches the client as `seen_by_client` (default: as it is)."""
    last = {"kept": [kept()], "closed": [closed()]}[client]
    last += {"kept": [up_kept()], "closed": [up_closed()]}[up]
    case(name, rules, send(request), sees(seen or request), answer(response),
         told(response if seen_by_client is None else seen_by_client), *last)


def bad_answer(name, rules, response, request=GET, seen=None):
    """A response that is not passed on: the client gets 502, the upstream connection ends."""
    case(name, rules, send(request), sees(seen or request), answer(response), local(502, "upstream_protocol", close=False),
         kept(), up_closed())
