#include "cli/tap.hpp"

#include "canaryd/base/ip.hpp"
#include "cli/line.hpp"
#include "support/scripted_server.hpp"
#include "terminal.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

const std::string kFine =
    R"({"ts":"2026-01-05T10:02:00.089Z","method":"GET","path":"/basket","query_masked":"token=*",)"
    R"("route":"shop","cohort":"stable","upstream":"v1","status":200,"t_total":0.034567})";
const std::string kBad =
    R"({"ts":"2026-01-05T10:02:01.100Z","method":"POST","path":"/pay","route":"shop",)"
    R"("cohort":"canary","upstream":"v2","status":502,"error":"upstream_reset","t_total":1.5})";
const std::string kLeft =
    R"({"ts":"2026-01-05T10:02:02.000Z","error":"client_gone","t_total":0.2})";

const std::string kSaved =
    R"({"ts":"2026-01-05T10:02:03.000Z","method":"GET","path":"/basket","route":"shop",)"
    R"("cohort":"canary","upstream":"v2","status":200,"upstream_status":500,"fallback":"saved",)"
    R"("t_total":0.2})";

std::string line(TapTable& table, const std::string& request, int columns, bool cut = true) {
  const boost::json::value document = boost::json::parse(request);
  return table.line(JsonView(document), {.columns = columns, .color = false, .utf8 = true}, cut);
}

TEST(TapTable, HasALineForEachRequest) {
  TapTable table;
  EXPECT_EQ(line(table, kFine, 90),
            "10:02:00.089  stable  shop   GET   /basket?token=*                        "
            "200  34.6 ms  v1\n");
  EXPECT_EQ(line(table, kBad, 90),
            "10:02:01.100  canary  shop   POST  /pay                   "
            "502   1.50 s  v2  upstream_reset\n");
  EXPECT_EQ(line(table, kLeft, 90),
            "10:02:02.000  -       -      -     -                      "
            "-     200 ms  -   client_gone\n");
}

// Whoever looks for errors sees which one it is, also where the client was told of none.
TEST(TapTable, SaysWhatTheUpstreamSaidWhereTheClientWasToldAnother) {
  TapTable table;
  EXPECT_EQ(line(table, kSaved, 90),
            "10:02:03.000  canary  shop   GET   /basket                   "
            "500 -> 200 saved   200 ms  v2\n");
  EXPECT_NE(line(table, kFine, 90).find("  200               34.6 ms  v1\n"), std::string::npos);
  const auto status = [&table](const std::string& members) {
    return line(table, R"({"path":"/","t_total":0.2,)" + members + "}", 90);
  };
  using testing::HasSubstr;
  EXPECT_THAT(status(R"("status":200,"error":"timeout","fallback":"saved")"),
              HasSubstr("- -> 200 saved"));
  EXPECT_THAT(status(R"("status":502,"upstream_status":500,"fallback":"failed")"),
              HasSubstr("500 -> 502 failed"));
  EXPECT_THAT(status(R"("error":"client_gone","upstream_status":500,"fallback":"left")"),
              HasSubstr("500 -> - left"));
  EXPECT_THAT(status(R"("status":502,"upstream_status":200)"), HasSubstr("200 -> 502 "));
  EXPECT_THAT(status(R"("status":404,"upstream_status":404)"), HasSubstr("  404 "));
}

TEST(TapTable, FitsTheTerminal) {
  for (int columns = 20; columns < 200; ++columns) {
    TapTable table;
    for (const std::string& request : {kFine, kBad, kLeft, kSaved}) {
      std::string text = line(table, request, columns);
      ASSERT_EQ(text.back(), '\n');
      text.pop_back();
      EXPECT_LE(display_width(text), columns) << text;
    }
  }
}

TEST(TapTable, CutsThePathAndNotThePipe) {
  const std::string path = "/" + std::string(300, 'p');
  const std::string request =
      R"({"ts":"2026-01-05T10:02:00.089Z","path":")" + path + R"(","status":200,"t_total":0.1})";
  TapTable table;
  EXPECT_NE(line(table, request, 90).find("p…"), std::string::npos);
  EXPECT_NE(line(table, request, 90).find("200   100 ms"), std::string::npos);
  EXPECT_NE(line(table, request, 90, false).find(path + " "), std::string::npos);
}

TEST(TapTable, AServerCannotSpeakToTheTerminal) {
  TapTable table;
  const std::string text = line(
      table, R"({"ts":"\u001b[2J","method":"\u0007","path":"\u001b]0;x","route":"\u009b"})", 90);
  for (const char control : {'\x1b', '\x07'}) EXPECT_EQ(text.find(control), std::string::npos);
  EXPECT_EQ(text.find("\xC2\x9B"), std::string::npos);
}

TEST(TapTable, AnythingElseIsALineOfDashes) {
  TapTable table;
  EXPECT_NE(line(table, "{}", 90).find("-"), std::string::npos);
  EXPECT_NE(line(table, R"({"ts":1,"status":"x","path":[],"t_total":null})", 90), "");
}

class TapCommandTest : public testing::Test {
 protected:
  TapCommandTest() { terminal_.address = admin_.address; }
  void emit(const std::string& type, const std::string& data) {
    admin_.on_control([&] { admin_.backend.emit({0, type, data}); });
  }
  // The first wait is before the stream is open. After it, `events` come, and the user ends it when
  // all of `expected` has been printed.
  int run(std::vector<std::string> arguments,
          const std::vector<std::pair<std::string, std::string>>& events,
          const std::string& expected) {
    terminal_.at_wait = [=, this](int wait) {
      if (wait == 1) {
        for (const auto& [type, data] : events) emit(type, data);
      }
      return (terminal_.out.str() + terminal_.err.str()).find(expected) == std::string::npos;
    };
    return terminal_.run(std::move(arguments));
  }

  test::AdminFixture admin_;
  Terminal terminal_;
};

TEST_F(TapCommandTest, PrintsRequestsUntilInterrupted) {
  EXPECT_EQ(run({"tap"}, {{"request", kFine}, {"request", kBad}}, "upstream_reset"), kExitDone)
      << terminal_.err.str();
  EXPECT_EQ(terminal_.out.str(),
            "10:02:00.089  stable  shop   GET   /basket?token=*           200  34.6 ms  v1\n"
            "10:02:01.100  canary  shop   POST  /pay                      502   1.50 s  v2  "
            "upstream_reset\n");
  EXPECT_EQ(terminal_.err.str(), "");
}

TEST_F(TapCommandTest, PrintsJsonLines) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"tap", "--json"}, std::vector<std::string>{"tap", "-o", "json"}}) {
    EXPECT_EQ(run(arguments, {{"request", kFine}, {"request", kBad}}, "upstream_reset"), kExitDone);
    EXPECT_EQ(terminal_.out.str(), kFine + "\n" + kBad + "\n");
  }
}

TEST_F(TapCommandTest, SendsItsFilter) {
  terminal_.at_wait = [this](int wait) {
    if (wait == 0) return true;
    admin_.on_control([this] {
      const telemetry::TapFilter& filter = admin_.backend.taps->begin()->second.filter;
      EXPECT_EQ(filter.cohort, Cohort::kCanary);
      EXPECT_EQ(filter.route, "shop");
      EXPECT_TRUE(filter.errors_only);
    });
    return false;
  };
  EXPECT_EQ(terminal_.run({"tap", "--cohort", "canary", "--route", "shop", "--errors"}), kExitDone);
  EXPECT_EQ(admin_.backend.taps_opened, 1);
  EXPECT_EQ(terminal_.run({"tap", "--cohort", "both"}), kExitUsage);
  EXPECT_EQ(terminal_.run({"tap", "--route", "a b"}), kExitUsage);
}

TEST_F(TapCommandTest, SaysWhatIsNotShown) {
  EXPECT_EQ(
      run({"tap"}, {{"sampled", R"({"left_out":12})"}, {"dropped", R"({"events":3})"}}, "3 more"),
      kExitDone);
  EXPECT_EQ(terminal_.out.str(), "");
  EXPECT_EQ(terminal_.err.str(),
            "canaryctl: 12 more match; this is a sample\n"
            "canaryctl: 3 more lost: they came faster than they were read\n");
}

TEST_F(TapCommandTest, SaysWhenTheServerEnds) {
  terminal_.at_wait = [this](int wait) {
    if (wait == 1) {
      admin_.on_control([] {});  // By now the server knows that it has sent the head.
      admin_.stop();
    }
    return true;
  };
  EXPECT_EQ(terminal_.run({"tap"}), kExitUnreachable);
  EXPECT_NE(terminal_.err.str().find(" has ended the stream\n"), std::string::npos)
      << terminal_.err.str();
}

// As one that is stopped, or hangs: its limit is longer than who interrupts wants to wait.
TEST_F(TapCommandTest, AnInterruptEndsItWhereThereIsNoAnswer) {
  const test::ScriptedServer silent("", true);
  terminal_.address = "127.0.0.1:" + std::to_string(silent.port);
  terminal_.at_wait = [](int) { return true; };
  terminal_.interrupted = [] { return true; };
  EXPECT_EQ(terminal_.run({"tap"}), kExitDone);
  EXPECT_EQ(terminal_.err.str(), "");
}

TEST_F(TapCommandTest, FailsAsOtherCommandsDo) {
  terminal_.at_wait = [](int) { return true; };
  EXPECT_EQ(terminal_.run({"tap", "--route", "nowhere"}), kExitFailed);
  EXPECT_EQ(terminal_.err.str(), "canaryctl: there is no such route\n");
  terminal_.address = "127.0.0.1:1";
  EXPECT_EQ(terminal_.run({"tap"}), kExitUnreachable);
  test::ScriptedServer page("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhello");
  terminal_.address = "127.0.0.1:" + std::to_string(page.port);
  EXPECT_EQ(terminal_.run({"tap"}), kExitFailed);
  EXPECT_EQ(terminal_.err.str(), "canaryctl: the answer is not a stream of events\n");
}

}  // namespace
}  // namespace canaryd::cli
