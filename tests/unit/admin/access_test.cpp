#include "admin/access.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

namespace canaryd::admin {
namespace {

const std::vector<Token> kTokens{{"eve", Role::kViewer, digest_of("token-of-the-viewer")},
                                 {"ci", Role::kOperator, digest_of("token-of-the-operator")},
                                 {"anna", Role::kAdmin, digest_of("token-of-the-admin")}};

Request with(const char* authorization) {
  Request request;
  request.peer = "local";
  if (authorization != nullptr) request.authorization = authorization;
  return request;
}

TEST(Access, KnowsWhoseTokenItIs) {
  const Caller ci = identify(with("Bearer token-of-the-operator"), kTokens, true);
  EXPECT_EQ(ci.name, "ci");
  EXPECT_EQ(ci.role, Role::kOperator);
  EXPECT_EQ(ci.token, kTokens[1].digest);
  EXPECT_EQ(identify(with("bEARER   token-of-the-admin"), kTokens, false).name, "anna");
}

TEST(Access, TakesNothingElseForOne) {
  for (const char* text : {"",
                           "Bearer",
                           "Bearer ",
                           "Bearer token-of-the-operato",
                           "Bearer token-of-the-operator ",
                           "Bearer token-of-the-operatorX",
                           "Bearertoken-of-the-operator",
                           "Basic token-of-the-operator",
                           "token-of-the-operator"}) {
    const Caller caller = identify(with(text), kTokens, true);
    EXPECT_EQ(caller.role, Role::kNobody) << text;
    EXPECT_EQ(caller.name, "local") << text;
    EXPECT_TRUE(caller.wrong_token) << text;
    EXPECT_EQ(check_role(caller, Role::kViewer).value().status, 401) << text;
  }
}

TEST(Access, IsOpenOnlyWhereOthersCannotConnectAndOnlyWithoutTokens) {
  EXPECT_EQ(identify(with(nullptr), {}, true).role, Role::kAdmin);
  EXPECT_EQ(identify(with("Bearer whatever"), {}, true).role, Role::kAdmin);
  EXPECT_EQ(identify(with(nullptr), {}, false).role, Role::kNobody);
  EXPECT_EQ(identify(with(nullptr), kTokens, true).role, Role::kNobody);
}

TEST(Access, LetsItsOwnUserInOnAUnixSocket) {
  Request request = with(nullptr);
  request.peer = "uid:1";
  for (const std::uint32_t uid : {0U, static_cast<std::uint32_t>(::geteuid())}) {
    request.peer_uid = uid;
    EXPECT_EQ(identify(request, kTokens, true).role, Role::kAdmin);
  }
  request.peer_uid = ::geteuid() + 1;
  EXPECT_EQ(identify(request, kTokens, true).role, Role::kNobody);
  // A token that is shown is what counts.
  request.peer_uid = 0;
  request.authorization = "Bearer token-of-the-viewer";
  EXPECT_EQ(identify(request, kTokens, true).role, Role::kViewer);
}

TEST(Access, KnowsWhetherAReaderMayGoOn) {
  Request reader;
  reader.actor_token = kTokens[0].digest;
  EXPECT_TRUE(may_still_read(reader, kTokens, true));
  EXPECT_FALSE(may_still_read(reader, {kTokens[1], kTokens[2]}, true));
  EXPECT_FALSE(may_still_read(reader, {}, true));
  reader.actor_token.reset();
  EXPECT_TRUE(may_still_read(reader, {}, true));
  EXPECT_FALSE(may_still_read(reader, kTokens, true)) << "it has begun when there were none";
  EXPECT_FALSE(may_still_read(reader, {}, false));
  reader.peer_uid = ::geteuid() + 1;
  EXPECT_FALSE(may_still_read(reader, kTokens, true));
  reader.peer_uid = ::geteuid();
  EXPECT_TRUE(may_still_read(reader, kTokens, false));
}

TEST(Access, SaysWhichRoleIsNeeded) {
  const Caller eve = identify(with("Bearer token-of-the-viewer"), kTokens, true);
  EXPECT_FALSE(check_role(eve, Role::kNobody).has_value());
  EXPECT_FALSE(check_role(eve, Role::kViewer).has_value());
  const Problem problem = check_role(eve, Role::kOperator).value();
  EXPECT_EQ(problem.status, 403);
  EXPECT_EQ(problem.detail, "this takes the role operator; eve is viewer");
  EXPECT_EQ(check_role(identify(with(nullptr), kTokens, true), Role::kViewer).value().status, 401);
}

}  // namespace
}  // namespace canaryd::admin
