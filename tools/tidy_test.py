"""Proves that each rule of tidy fires where it should and stays quiet where it should not."""

import json
import tempfile
import unittest
from pathlib import Path

import tidy
import tidy_rules
from cpp_source import Source
from include_rule import IncludeRule

TABLE = json.loads((Path(__file__).parent / "layers.json").read_text(encoding="utf-8"))
HEADER = "// A thing.\n#pragma once\n"


def rules(path, text):
    """The names of the rules that the text breaks."""
    return [rule for _, rule, _ in tidy.check_file(Source(path, text), TABLE)]


def body(*lines):
    return "void f() {\n" + "\n".join("  " + line for line in lines) + "\n}\n"


class IncludesTest(unittest.TestCase):
    def faults(self, *headers):
        """Of a file that names two things of another room and includes these."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "include/canaryd/stats").mkdir(parents=True)
            (root / "include/canaryd/stats/block.hpp").write_text("struct Block;\n", encoding="utf-8")
            (root / "include/canaryd/stats/all.hpp").write_text('#include "canaryd/stats/block.hpp"\n', encoding="utf-8")
            text = "".join(f'#include "canaryd/stats/{name}"\n' for name in headers)
            source = Source("src/control/a.cpp", text + "stats::Block* a;\nstats::Block* b;\n")
            return [rule for _, rule, _ in IncludeRule(root, TABLE["rooms"]).faults(source)]

    def test_what_is_named_is_included(self):
        self.assertEqual(self.faults(), ["includes"])
        self.assertEqual(self.faults("block.hpp"), [])
        self.assertEqual(self.faults("all.hpp"), [])


class LayersTest(unittest.TestCase):
    def test_upward_include(self):
        self.assertEqual(rules("src/stats/a.cpp", '#include "canaryd/net/stream.hpp"\n'), ["layers"])
        self.assertEqual(rules("src/net/a.cpp", '#include "canaryd/base/error.hpp"\n'), [])

    def test_private_header_of_another_room(self):
        self.assertEqual(rules("src/control/a.cpp", '#include "store/migrations.hpp"\n'), ["layers"])
        self.assertEqual(rules("tests/unit/proxy/a_test.cpp", '#include "net/epoll.hpp"\n'), ["layers"])
        self.assertEqual(rules("src/store/a.cpp", '#include "store/migrations.hpp"\n'), [])

    def test_pure_rooms_stay_pure(self):
        for name in ("thread", "sys/socket.h", "boost/asio/post.hpp", "fstream"):
            self.assertEqual(rules("src/rollout/a.cpp", f"#include <{name}>\n"), ["layers"], name)
        self.assertEqual(rules("src/rollout/a.cpp", "#include <vector>\n"), [])

    def test_libraries_stay_in_their_room(self):
        self.assertEqual(rules("src/control/a.cpp", "#include <sqlite3.h>\n"), ["layers"])
        self.assertEqual(rules("src/store/a.cpp", "#include <sqlite3.h>\n"), [])
        self.assertEqual(rules("include/canaryd/store/a.hpp", HEADER + "#include <sqlite3.h>\n"), ["layers"])

    def test_unknown_room(self):
        self.assertEqual(rules("src/attic/a.cpp", "int x;\n"), ["layers"])

    def test_cmake(self):
        text = "canaryd_room(\n  NAME stats\n  SOURCES a.cpp\n  DEPS base net\n  LIBS x)\n"
        self.assertEqual(rules("src/stats/CMakeLists.txt", text), ["layers"])
        self.assertEqual(rules("src/stats/CMakeLists.txt", text.replace(" net", "")), [])

    def test_design_table_must_agree(self):
        rows = []
        for room, allowed in TABLE["rooms"].items():
            rows.append(f"| 1 | `{room}` | duty | {'all' if allowed == ['*'] else ' '.join(allowed) or '-'} |\n")
        self.assertEqual(rules("docs/design.md", "".join(rows)), [])
        self.assertEqual(rules("docs/design.md", "".join(rows).replace("| base http |", "| base net |")), ["layers"])
        self.assertEqual(rules("docs/design.md", "".join(rows[1:])), ["layers"])


class SizesTest(unittest.TestCase):
    def test_files(self):
        self.assertEqual(rules("src/net/a.cpp", "int x;\n" * 400), [])
        self.assertEqual(rules("src/net/a.cpp", "int x;\n" * 401), ["warning"])
        self.assertEqual(rules("src/net/a.cpp", "int x;\n" * 601), ["file_size"])
        self.assertEqual(rules("src/net/a.cpp", "// DEVIATION: one table.\n" + "int x;\n" * 601), [])

    def test_functions(self):
        long_body = ["g();"] * 70
        self.assertEqual(rules("src/net/a.cpp", body(*long_body)), ["function_size"])
        self.assertEqual(rules("src/net/a.cpp", body(*long_body[:60])), [])
        self.assertEqual(rules("src/net/a.cpp", "// DEVIATION: a table.\n" + body(*long_body)), [])
        self.assertEqual(rules("src/net/a.cpp", "namespace n {\nclass A {\n" + body(*long_body) + "};\n}\n"), ["function_size"])

    def test_what_is_not_a_function(self):
        table = "const int k[] = {\n" + "  f(1),\n" * 80 + "};\n"
        self.assertEqual(rules("src/net/a.cpp", table), [])
        self.assertEqual(rules("src/net/a.cpp", "class A {\n" + "  void f(int x);\n" * 80 + "};\n"), [])
        self.assertEqual(rules("src/net/a.cpp", "enum class E {\n" + "  kX,  // f(x)\n" * 80 + "};\n"), [])
        macro = "#define M(x) do { \\\n  f(x); \\\n } while (0)\n" + body("g();")
        self.assertEqual(rules("src/net/a.cpp", macro), [])

    def test_constructor_with_initialisers(self):
        text = "A::A(int x) : a_{x}, b_(x) {\n" + "  g();\n" * 70 + "}\n"
        self.assertEqual(rules("src/net/a.cpp", text), ["function_size"])

    def test_python_functions(self):
        self.assertEqual(rules("tools/a.py", "def f():\n" + "    g()\n" * 70), ["function_size"])


class BannedTest(unittest.TestCase):
    def test_each_call(self):
        for statement, rule in (
            ("auto t = std::chrono::steady_clock::now();", "clock"),
            ("auto t = std::chrono::system_clock::now();", "clock"),
            ("clock_gettime(CLOCK_MONOTONIC, &t);", "clock"),
            ("int x = std::rand();", "random"),
            ("std::random_device device;", "random"),
            ("std::this_thread::sleep_for(1s);", "sleep"),
            ("usleep(10);", "sleep"),
            ("::sleep(1);", "sleep"),
            ("sleep(1);", "sleep"),
            ("thread.detach();", "detach"),
            ("out << std::endl;", "endl"),
            ("auto* p = new Thing;", "new_delete"),
            ("auto* p = ::new Thing;", "new_delete"),
            ("delete p;", "new_delete"),
            ("a.sin_port = htons(8080);", "fixed_port"),
        ):
            path = "tests/unit/http/a_test.cpp"
            self.assertEqual(rules(path, body(statement)), [rule], statement)
            self.assertEqual(rules(path, body("// DEVIATION: a reason.", statement)), [], statement)
            self.assertEqual(rules(path, body("// " + statement)), [], statement)
            self.assertEqual(rules(path, body('f("' + statement.replace('"', "") + '");')), [], statement)

    def test_homes_and_lookalikes(self):
        self.assertEqual(rules("src/base/clock.cpp", body("steady_clock::now();")), [])
        self.assertEqual(rules("src/http/a.cpp", "struct A {\n  A(const A&) = delete;\n};\n"), [])
        self.assertEqual(rules("src/http/a.cpp", body("int new_weight = 1;", "operand(1);")), [])
        self.assertEqual(rules("src/net/a.cpp", "void* operator new(std::size_t n);\n"), [])
        self.assertEqual(rules("src/http/a.cpp", "#include <new>\n"), [])
        self.assertEqual(rules("src/http/a.cpp", body("::new (place) A{b};")), [])
        self.assertEqual(rules("src/http/a.cpp", body("return std::unique_ptr<A>(new A(b));")), [])
        self.assertEqual(rules("src/http/a.cpp", body("auto wake = waiter.sleep_until(t);", "group.spawn(sleep(waiter, t));")), [])

    def test_raw_strings_are_literals(self):
        self.assertEqual(rules("src/http/a.cpp", 'auto s = R"x(new "delete" rand())x";\n'), [])

    def test_python_tests(self):
        self.assertEqual(rules("tests/integration/a.py", "time.sleep(1)\n"), ["sleep"])
        self.assertEqual(rules("tests/integration/a.py", 'x = "127.0.0.1:8080"\n'), ["fixed_port"])
        self.assertEqual(rules("tests/integration/a.py", 's.bind(("127.0.0.1", 8080))\n'), ["fixed_port"])
        self.assertEqual(rules("tests/integration/a.py", 's.bind(("127.0.0.1", 0))\n'), [])

    def test_a_deviation_needs_a_reason(self):
        self.assertIn("deviation", rules("src/net/a.cpp", "// DEVIATION:\nint x;\n"))


class CoAwaitTest(unittest.TestCase):
    def faults(self, *lines):
        return rules("src/net/a.cpp", body(*lines))

    def test_safe_forms(self):
        for lines in (
            ["co_await f(a);"],
            ["const auto x = co_await f(a, std::move(b));"],
            ["Result<std::size_t> x = co_await stream.recv(buffer);"],
            ["auto [a, b] = co_await f();"],
            ["co_return co_await f();"],
            ["if (ok) {", "  co_await f();", "}"],
            ["if (ok) co_await f();"],
            ["for (int i = 0; i < 3; ++i) {", "  co_await f();", "}"],
            ["if (auto x = co_await f(); !x) {", "  g();", "}"],
            ["switch (a) {", "  case kA:", "    co_await f();", "    break;", "}"],
            ["CANARYD_CO_TRY(co_await f());"],
            ["run(ex, []() -> Task<void> { co_await f(); });"],
            ["co_spawn(ex, serve(a), std::move(done));"],
            ["Awaiter operator co_await() const { return Awaiter{frame_}; }"],
        ):
            self.assertEqual(self.faults(*lines), [], lines)

    def test_unsafe_forms(self):
        for lines in (
            ["if ((co_await f()) == 1) {", "}"],
            ["if (auto x = co_await f()) {", "  g();", "}"],
            ["while (co_await f()) {", "}"],
            ["x = co_await f();"],
            ["auto x = ok ? co_await f() : 0;"],
            ["auto x = co_await f() ? 1 : 2;"],
            ["auto x = (co_await f()).value();"],
            ["g(co_await f());"],
            ["g({co_await f()});"],
            ["Pair p{co_await f(), 1};"],
            ["co_await f(Options{1, 2});"],
            ["auto x = co_await f({1, 2});"],
            ["co_await f([&a] { return a; });"],
            ["co_spawn(ex, [this] { return g(); }, std::move(done));"],
            ["auto t = [a](int b) -> Task<int> { co_return a + b; };"],
        ):
            self.assertIn("co_await", self.faults(*lines), lines)
            excused = self.faults("// DEVIATION: a reason.", *lines)
            self.assertNotIn("co_await", excused, lines)


class ShapeTest(unittest.TestCase):
    def test_headers(self):
        self.assertEqual(rules("include/canaryd/net/a.hpp", HEADER), [])
        self.assertEqual(rules("include/canaryd/net/a.hpp", "#pragma once\n"), ["header"])
        self.assertEqual(rules("include/canaryd/net/a.hpp", "// A thing.\n"), ["header"])

    def test_machine_paths(self):
        for path in ("/" + "work/x", "/" + "home/me/x", "/" + "root/x", "/" + "tmp/wt/x"):
            self.assertEqual(rules("README.md", f"see {path} there\n"), ["machine_path"], path)
        self.assertEqual(rules("README.md", "a/" + "work/x, $HOME/" + "work/x, /homework/x\n"), [])

    def test_documents_exist(self):
        self.assertEqual(rules("src/net/a.cpp", "// See docs/design.md section 6.\n"), [])
        self.assertEqual(rules("src/net/a.cpp", "// See NOTES.md section 6.\n"), ["document"])

    def test_white_space(self):
        self.assertEqual(rules("src/net/a.cpp", "int x; \n"), ["white_space"])
        self.assertEqual(rules("src/net/a.cpp", "int x;"), ["white_space"])

    def test_format(self):
        if tidy.find_clang_format() is None:
            self.skipTest("no clang-format of the right version")
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / ".clang-format").write_text("BasedOnStyle: Google\n", encoding="utf-8")
            (root / "bad.cpp").write_text("int  x ;\n", encoding="utf-8")
            (root / "good.cpp").write_text("int x;\n", encoding="utf-8")
            self.assertEqual([name for name, *_ in tidy.format_faults(root, ["bad.cpp", "good.cpp"])], ["bad.cpp"])

    def test_every_rule_has_a_test(self):
        proven = Path(__file__).read_text(encoding="utf-8")
        for rule in {name for name, _, _ in tidy_rules.BANNED_CPP + tidy_rules.BANNED_PY_TESTS}:
            self.assertIn(f'"{rule}"', proven)


def run():
    suite = unittest.defaultTestLoader.loadTestsFromName(__name__)
    return 0 if unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful() else 1
