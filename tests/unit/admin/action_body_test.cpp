#include "admin/action_body.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

using control::Action;
using control::ActionRequest;

Result<ActionRequest> read(Action action, std::string_view body) {
  ActionRequest request;
  request.action = action;
  CANARYD_TRY(read_action_body(body, request));
  return request;
}

TEST(ActionBody, IsOptionalWhereNothingIsNeeded) {
  EXPECT_TRUE(read(Action::kPause, ""));
  EXPECT_TRUE(read(Action::kPause, "{}"));
  EXPECT_EQ(read(Action::kAbort, R"({"reason": "bad release"})").value().reason, "bad release");
  EXPECT_EQ(read(Action::kAbort, R"({"reason": null})").value().reason, "");
}

TEST(ActionBody, ReadsWhatAnActionTakes) {
  EXPECT_EQ(read(Action::kSetWeight, R"({"weight": 10})").value().weight, BasisPoints(1000));
  EXPECT_EQ(read(Action::kSetWeight, R"({"weight": 0.07})").value().weight, BasisPoints(7));
  EXPECT_EQ(read(Action::kSetWeight, R"({"weight": 100.0})").value().weight, BasisPoints(10000));
  EXPECT_TRUE(read(Action::kPromote, R"({"full": true})").value().full);
  EXPECT_FALSE(read(Action::kPromote, "").value().full);
  EXPECT_TRUE(read(Action::kRetire, R"({"skip_hook": true})").value().skip_hook);
  EXPECT_FALSE(read(Action::kRetire, "").value().skip_hook);
  EXPECT_EQ(read(Action::kRollback, R"({"over": "10m"})").value().over, std::chrono::minutes(10));
  EXPECT_FALSE(read(Action::kRollback, "").value().over);
  EXPECT_EQ(read(Action::kRollback, R"({"over": "0s"})").value().over, Duration::zero());
  EXPECT_EQ(read(Action::kStart, R"({"revision": "2.5"})").value().revision, "2.5");
  EXPECT_FALSE(read(Action::kStart, "{}").value().revision);
  const auto approval = read(Action::kApprove, R"({"gate": "owner", "expires": "2h"})").value();
  EXPECT_EQ(approval.gate, "owner");
  EXPECT_EQ(approval.expires, std::chrono::hours(2));
  EXPECT_EQ(approval.approver, "");
  EXPECT_EQ(read(Action::kApprove, R"({"gate": "g", "as": "a@b.example"})").value().approver,
            "a@b.example");
}

TEST(ActionBody, RefusesEverythingElse) {
  for (const char* body :
       {"x", "[]", "\"a\"", "{", "{} {}", R"({"reson": "typo"})", R"({"reason": 1})"}) {
    EXPECT_FALSE(read(Action::kPause, body)) << body;
  }
  for (const char* body : {"",
                           "{}",
                           R"({"weight": -1})",
                           R"({"weight": 100.01})",
                           R"({"weight": 1e400})",
                           R"({"weight": 0.001})",
                           R"({"weight": "10"})",
                           R"({"weight": null})"}) {
    EXPECT_FALSE(read(Action::kSetWeight, body)) << body;
  }
  EXPECT_FALSE(read(Action::kPause, R"({"weight": 10})"));
  EXPECT_FALSE(read(Action::kPromote, R"({"full": 1})"));
  EXPECT_FALSE(read(Action::kUnretire, R"({"skip_hook": true})"));
  EXPECT_FALSE(read(Action::kRollback, R"({"over": "gently"})"));
  EXPECT_FALSE(read(Action::kAbort, R"({"over": "10m"})"));
  EXPECT_FALSE(read(Action::kApprove, "{}"));
  EXPECT_FALSE(read(Action::kApprove, R"({"gate": "g", "expires": "soon"})"));
  // Nobody is to claim what canaryd itself says of its peers.
  for (const char* name : {"uid:0", "a b", "a,b", "\\n", "\\\"", "\u00fc"}) {
    EXPECT_FALSE(read(Action::kApprove, R"({"gate": "g", "as": ")" + std::string(name) + "\"}"));
  }
  EXPECT_FALSE(read(Action::kPause, R"({"as": "anna"})"));
  EXPECT_FALSE(read(Action::kPause, R"({"reason": ")" + std::string(1025, 'x') + R"("})"));
}

TEST(ActionBody, WhatIsGivenAndEmptyIsNotLeftOut) {
  // The machine refuses it in its words.
  EXPECT_EQ(read(Action::kStart, R"({"revision": ""})").value().revision, "");
  EXPECT_FALSE(read(Action::kRollback, R"({"over": ""})"));
  EXPECT_FALSE(read(Action::kApprove, R"({"gate": "g", "expires": ""})"));
  EXPECT_FALSE(read(Action::kApprove, R"({"gate": "g", "as": ""})"));
  EXPECT_FALSE(read(Action::kStart, R"({"revision": null})").value().revision);
  EXPECT_FALSE(read(Action::kRollback, R"({"over": null})").value().over);
  EXPECT_EQ(read(Action::kApprove, R"({"gate": "g", "as": null})").value().approver, "");
}

TEST(ActionBody, DoesNotFollowDeepNesting) {
  EXPECT_FALSE(read(Action::kPause, std::string(60000, '[')));
  EXPECT_FALSE(read(Action::kPause, R"({"reason": )" + std::string(30000, '[')));
}

TEST(ActionBody, RefusesTwoMembersOfOneName) {
  for (const char* body : {R"({"reason": "a", "reason": "b"})",
                           R"({"reason": "a", "reason": "a"})",
                           R"({"reason": "a", "r\u0065ason": "b"})",
                           R"({"reason": "\"", "reason": "\\"})"}) {
    EXPECT_FALSE(read(Action::kPause, body)) << body;
    EXPECT_EQ(reason_in(body), "") << body;
  }
  EXPECT_FALSE(read(Action::kSetWeight, R"({"weight": 1, "reason": "x", "weight": 100})"));
  const char* const told = "the body has two members of one name";
  EXPECT_EQ(read(Action::kSetWeight, R"({"weight": 1, "weight": 100})").error().context, told);
  // Colons and quotes of a string are no members.
  const char* const good = R"({"reason": "a: \"b\": c \\", "weight": 1})";
  EXPECT_EQ(read(Action::kSetWeight, good).value().reason, R"(a: "b": c \)");
}

TEST(ExplainBody, RefusesTwoMembersOfOneNameAnywhere) {
  const auto is_good = [](const std::string& headers) {
    return read_explain_body(R"({"method": "GET", "url": "/", "headers": )" + headers + "}")
        .has_value();
  };
  EXPECT_TRUE(is_good(R"({"A": "1", "a": "2", "B": ["3", "x:y"], "C": []})"));
  EXPECT_FALSE(is_good(R"({"A": "1", "A": "2"})"));
  EXPECT_FALSE(is_good(R"({"A": {"x": "1"}, "A": "2"})"));
}

TEST(LogLevelBody, NeedsALevel) {
  EXPECT_EQ(read_log_level_body(R"({"level": "debug"})").value(), "debug");
  EXPECT_FALSE(read_log_level_body(""));
  EXPECT_FALSE(read_log_level_body(R"({"level": 1})"));
}

}  // namespace
}  // namespace canaryd::admin
