"""The canonical form of a target: it decides the route and is what is forwarded, or the request is refused."""

from ..case import forwards, message, refuses


def get(target):
    return message(f"GET {target} HTTP/1.1", "Host: a")


for number, target in enumerate((
        "/", "/a", "/a/", "/a/b", "/.a", "/a.", "/..a", "/a..", "/...", "/a/.../b", "/a;b=c", "/a,b", "/a:b@c", "/a%20b",
        "/a%3Fb", "/a%23b", "/a%25b", "/a%3Bb", "/%C3%A4", "/%FF", "/a=b&c", "/~user", "/a|b", "/a^b", "/a{b}", '/a"b', "/a<b>",
        "/?", "/?a", "/?a=b&c=d", "/?a=/../b", "/?a=%2F%00%5C", "/?a//b", "/?a=\\", "/a?b?c", "/?a=%", "/?..", "/?a;b",
        "/a%2520b", "/%252e%252e/", "/%E0%80%AE", "/a!$&'()*+,;=:@", "/?http://b/", "//"[1:], "/a/b?c=d%2Fe")):
    forwards(f"target-kept-{number}", "9110-7.7-target 9110-4.2.3-normal-form", get(target), get(target))

for name, target, canonical in (
        ("dot", "/./a", "/a"), ("dot-at-end", "/a/.", "/a/"), ("dot-dot", "/a/../b", "/b"), ("dot-dot-at-end", "/a/b/..", "/a/"),
        ("dot-dot-twice", "/a/b/../../c", "/c"), ("dots-mixed", "/a/./b/.././c", "/a/c"), ("encoded-dot", "/%2e/a", "/a"),
        ("encoded-dots", "/a/%2e%2e/b", "/b"), ("encoded-dots-capitals", "/a/%2E%2E/b", "/b"), ("half-encoded", "/a/.%2e/b", "/b"),
        ("half-encoded-first", "/a/%2e./b", "/b"), ("encoded-dots-at-end", "/a/%2e%2e", "/"), ("double-slash", "//a", "/a"),
        ("double-slash-inside", "/a//b", "/a/b"), ("many-slashes", "/a////b", "/a/b"), ("slashes-at-end", "/a//", "/a/"),
        ("only-slashes", "///", "/"), ("dot-dot-behind-slashes", "/a//../b", "/b"), ("unreserved", "/%41%7e%2d%5f%30", "/A~-_0"),
        ("lower-digits", "/%c3%a4", "/%C3%A4"), ("mixed-digits", "/a%3f", "/a%3F"), ("with-query", "/a/../b?x=/../y", "/b?x=/../y"),
        ("encoded-letter-dots", "/%61/../b", "/b"), ("host-like", "//evil/x", "/evil/x"), ("query-behind-slashes", "//?x", "/?x")):
    forwards(f"target-made-canonical-{name}", "9110-4.2.3-normal-form attack-path-confusion", get(target), get(canonical))
    forwards(f"target-made-canonical-absolute-{name}", "9110-4.2.3-normal-form attack-path-confusion",
             get("http://a" + target), get(canonical))

for name, target in (
        ("climb", "/.."), ("climb-slash", "/../"), ("climb-more", "/a/../../b"), ("climb-encoded", "/%2e%2e/a"),
        ("climb-half", "/.%2e/a"), ("climb-behind-slashes", "//../a"), ("encoded-slash", "/a%2fb"), ("encoded-slash-capital", "/a%2Fb"),
        ("encoded-slash-climb", "/a/..%2fb"), ("encoded-slash-alone", "/%2f"), ("backslash", "/a\\b"), ("backslash-climb", "/a\\..\\b"),
        ("encoded-backslash", "/a%5cb"), ("encoded-backslash-capital", "/a/..%5Cb"), ("nul", "/a%00b"), ("nul-at-end", "/a%00"),
        ("encoded-cr", "/a%0db"), ("encoded-lf", "/a%0ab"), ("encoded-crlf", "/a%0d%0aX:%20y"), ("encoded-tab", "/a%09"),
        ("encoded-del", "/a%7f"), ("encoded-escape", "/a%1b"), ("broken-escape", "/a%"), ("broken-escape-one", "/a%2"),
        ("broken-escape-letters", "/a%zz"), ("broken-escape-unicode", "/a%u002e"), ("broken-escape-space", "/a% 20"),
        ("parameter-dots", "/a/..;/b"), ("parameter-dots-value", "/a/..;x=y/b"), ("parameter-dot", "/a/.;/b"),
        ("encoded-parameter-dots", "/a/%2e%2e;/b"), ("fragment", "/a#b"), ("fragment-query", "/a?b#c"), ("fragment-alone", "/#"),
        ("fragment-dots", "/a/..#/b"), ("high-byte", "/\xe4"), ("high-byte-query", "/?\xe4"), ("utf8", "/\xc3\xa4"), ("del", "/a\x7f"),
        ("control", "/a\x01b"), ("escape-in-query", "/?a\x1b"), ("overlong-slash", "/a\xc0\xafb")):
    refuses(f"target-refused-{name}", "9112-3.2-bad-target attack-path-confusion", get(target))
