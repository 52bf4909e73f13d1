"""The normal form decides: two readings of a path or of a host lead to one route (RFC 9110 section 4.2.3).

The routes of parts.test are /admin and /public, each with a rollout whose name the upstream is told; /closed, which is
answered here; and for everything else the one that takes everything.
"""

from ..case import OK, answer, case, closed, forwards, kept, local, message, nothing, refuses, sees, send, told

PATHS = "9110-4.2.3-normal-form attack-path-confusion"
HOSTS = "9110-4.2.3-normal-form attack-host-confusion"


def get(target, *lines, host="parts.test"):
    return message(f"GET {target} HTTP/1.1", f"Host: {host}", *lines)


def by(rollout):
    return ("X-Canaryd-Cohort: stable", f"X-Canaryd-Rollout: {rollout}")


def answered_here(name, rules, request):
    case(name, rules, send(request), local(403, None, close=False), nothing())


for name, target, canonical, rollout in (
        ("plain", "/admin/x", "/admin/x", "admin"), ("whole", "/admin", "/admin", "admin"),
        ("dot-dot", "/public/../admin/x", "/admin/x", "admin"), ("dot", "/./admin/x", "/admin/x", "admin"),
        ("deep", "/public/a/b/../../../admin/x", "/admin/x", "admin"),
        ("and-back", "/admin/../public/x", "/public/x", "public"),
        ("encoded-letter", "/%61dmin/x", "/admin/x", "admin"),
        ("encoded-word", "/%61%64%6D%69%6e/x", "/admin/x", "admin"),
        ("encoded-dots", "/public/%2e%2E/admin/x", "/admin/x", "admin"), ("slashes", "//admin//x", "/admin/x", "admin"),
        ("dot-dot-behind-slashes", "/public//../admin/x", "/admin/x", "admin"),
        ("query", "/public/../admin?x=/public/", "/admin?x=/public/", "admin"),
        ("absolute", "http://parts.test/public/../admin/x", "/admin/x", "admin")):
    forwards(f"decision-{name}", PATHS, get(target), get(canonical, *by(rollout)))
# Case means something in a path, a segment is whole, and a query is no path: no rollout is told of these.
for name, target in {"other-case": "/Admin/x", "longer-segment": "/administrator", "parameter": "/admin;x",
                     "query": "/?/../admin", "escaped-percent": "/%2561dmin/x"}.items():
    forwards(f"decision-not-admin-{name}", PATHS, get(target), get(target))
for name, target in {"hidden-dots": "/public/..;/admin/x", "encoded-slash": "/public/..%2fadmin/x",
                     "encoded-slash-first": "/%2fadmin/x", "backslash": "/public\\..\\admin",
                     "fragment": "/public#/../admin", "climb": "/../admin/x"}.items():
    refuses(f"decision-refused-{name}", PATHS, get(target))
for name, target in {"plain": "/closed/x", "dot-dot": "/public/../closed/x", "encoded-letter": "/%63losed",
                     "slashes": "/public/..//closed/"}.items():
    answered_here(f"decision-closed-{name}", PATHS, get(target))

# ---- Hosts

for name, host in {"capitals": "PARTS.TEST", "mixed-case": "Parts.tesT", "port": "parts.test:8080",
                   "empty-port": "parts.test:", "dot-at-end": "parts.test.", "dot-at-end-and-port": "parts.test.:8080",
                   "capitals-dot-and-port": "PARTS.TEST.:80"}.items():
    seen = get("/admin/x", *by("admin"), host=host)
    forwards(f"decision-host-{name}", HOSTS, get("/%61dmin/x", host=host), seen)
    forwards(f"decision-host-absolute-{name}", HOSTS, get(f"http://{host}/public/../admin/x", host=host), seen)
    answered_here(f"decision-host-closed-{name}", HOSTS, get("/closed", host=host))
for name, host in {"subdomain": "a.parts.test", "longer": "parts.test.example", "shorter": "arts.test",
                   "dash": "parts-test"}.items():
    forwards(f"decision-other-host-{name}", HOSTS, get("/admin/x", host=host), get("/admin/x", host=host))
refuses("decision-refused-two-dots", HOSTS, get("/admin/x", host="parts.test.."))
case("decision-host-1.0", HOSTS, send(message("GET /%61dmin/x HTTP/1.0", "Host: PARTS.test")),
     sees(get("/admin/x", *by("admin"), host="PARTS.test")), answer(OK),
     told(message("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", body="ok")), closed())

# ---- Each request for itself

case("decision-each-for-itself", "9110-3.3-stateless",
     send(get("/public/x") + get("/closed") + get("/admin/x") + get("/x")),
     sees(get("/public/x", *by("public"))), answer(OK), told(OK), local(403, None, close=False),
     sees(get("/admin/x", *by("admin"))), answer(OK), told(OK), sees(get("/x")), answer(OK), told(OK), kept())
