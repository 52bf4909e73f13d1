// Endpoints that come from files and names: what is taken over, what changes nothing.
#include "control/discovery.hpp"

#include "controller_rig.hpp"

#include <deque>
#include <map>

namespace canaryd::control::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SocketAddress at(const char* text) {
  return *parse_socket_address(text);
}

// ---- What a look-up is worth

TEST(EndpointsOfTest, OrderAndRepetitionMeanNothing) {
  const auto endpoints = endpoints_of(std::vector<SocketAddress>{
      at("10.0.0.2:80"), at("[::1]:80"), at("10.0.0.1:80"), at("10.0.0.2:80")});
  ASSERT_TRUE(endpoints.has_value());
  const auto again = endpoints_of(
      std::vector<SocketAddress>{at("[::1]:80"), at("10.0.0.1:80"), at("10.0.0.2:80")});
  EXPECT_EQ(*endpoints, *again);
  EXPECT_EQ(endpoints->size(), 3U);
}

TEST(EndpointsOfTest, NoneAndFarTooManyAreErrors) {
  EXPECT_FALSE(endpoints_of(std::vector<SocketAddress>{}).has_value());
  EXPECT_FALSE(endpoints_of(canaryd::fail(ErrorCode::kTimeout)).has_value());
  std::vector<SocketAddress> many;
  for (std::uint16_t port = 1; port <= config::kEndpointsMax + 1; ++port) {
    SocketAddress address = at("10.0.0.1:1");
    address.port = port;
    many.push_back(address);
  }
  EXPECT_FALSE(endpoints_of(many).has_value());
}

// ---- In the controller

class DiscoveryTest : public ControllerRig {
 protected:
  static std::string upstreams(const std::string& old, const std::string& fresh) {
    return "version: 1\nlisteners: [{name: public, address: \"127.0.0.1:8080\"}]\n"
           "upstreams:\n  old: {endpoints: " +
           old + "}\n  new: {endpoints: " + fresh +
           "}\nrollouts: {shop: {stable: old, canary: new, start: manual}}\n"
           "routes: [{name: all, rollout: shop}]\n";
  }
  DiscoveryTest() {
    file_ = upstreams("{file: old.yaml}", "{dns: \"new.internal:80\", refresh: 10s}");
    files_["old.yaml"] = "endpoints: [10.0.0.1:80]\n";
    names_["new.internal"] = std::vector<SocketAddress>{at("10.1.0.1:80")};
    read_file_ = [this](const std::string& name) -> Result<std::string> {
      const auto found = files_.find(name);
      if (found == files_.end()) return canaryd::fail(ErrorCode::kIo, "No such file or directory");
      return found->second;
    };
    resolve_ = [this](const std::string& host, std::uint16_t, auto done) {
      asked_.push_back(host);
      waiting_.push_back([this, host, done] { done(names_.at(host)); });
    };
  }
  void answer() {
    while (!waiting_.empty()) {
      const auto next = std::move(waiting_.front());
      waiting_.pop_front();
      next();
    }
    settle();
  }
  void boot_and_answer() {
    ASSERT_TRUE(create().has_value());
    std::optional<Result<void>> started;
    controller_->start([&](Result<void> result) { started = std::move(result); });
    answer();
    ASSERT_TRUE(started.has_value() && started->has_value());
    controller_->look();  // The daemon has read the file already, with the configuration.
    plane_.did.clear();
  }
  void pass(Duration time) {
    clock_.advance(time);
    controller_->look();
    answer();
  }
  // As the workers have them.
  [[nodiscard]] std::vector<std::string> endpoints(std::size_t upstream) const {
    std::vector<std::string> texts;
    for (const auto& each : plane_.held.at(0).shared->upstreams.at(upstream).endpoints) {
      texts.push_back(to_string(each.address));
    }
    return texts;
  }
  [[nodiscard]] const upstream::EndpointState* state(std::size_t upstream, std::size_t i) const {
    return plane_.held.at(0).upstreams.at(upstream).endpoints.at(i).state.get();
  }
  [[nodiscard]] std::optional<std::string> error(std::size_t upstream) const {
    return controller_->upstreams().at(upstream).source_error;
  }
  [[nodiscard]] std::size_t publishes() const {
    return static_cast<std::size_t>(std::count(plane_.did.begin(), plane_.did.end(), "publish"));
  }

  std::map<std::string, std::string> files_;
  std::map<std::string, Result<std::vector<SocketAddress>>> names_;
  std::vector<std::string> asked_;
  std::deque<std::function<void()>> waiting_;
};

TEST_F(DiscoveryTest, AStartWaitsForTheFirstAnswers) {
  ASSERT_TRUE(create().has_value());
  bool started = false;
  controller_->start([&](const Result<void>& result) { started = result.has_value(); });
  settle();
  EXPECT_THAT(plane_.did, IsEmpty());
  EXPECT_FALSE(started);
  answer();
  EXPECT_TRUE(started);
  EXPECT_THAT(plane_.did, ElementsAre("publish", "open public 127.0.0.1:8080"));
  EXPECT_THAT(endpoints(1), ElementsAre("10.1.0.1:80"));
  EXPECT_EQ(controller_->upstreams()[0].source, "file old.yaml");
  EXPECT_EQ(controller_->upstreams()[1].source, "dns new.internal:80");
  EXPECT_EQ(error(1), std::nullopt);
}

TEST_F(DiscoveryTest, AStartGoesOnWithoutThem) {
  names_["new.internal"] = canaryd::fail(ErrorCode::kTimeout, "no answer in time");
  boot_and_answer();
  EXPECT_THAT(endpoints(1), IsEmpty());
  EXPECT_EQ(error(1), "new.internal cannot be resolved: no answer in time");
  // It is asked for again soon, not only after the refresh time.
  names_["new.internal"] = std::vector<SocketAddress>{at("10.1.0.1:80")};
  pass(1s);
  EXPECT_THAT(endpoints(1), ElementsAre("10.1.0.1:80"));
  EXPECT_EQ(error(1), std::nullopt);
}

TEST_F(DiscoveryTest, AFileIsFollowed) {
  boot_and_answer();
  pass(1s);
  EXPECT_THAT(endpoints(0), ElementsAre("10.0.0.1:80"));
  const std::size_t before = publishes();
  pass(1s);
  EXPECT_EQ(publishes(), before) << "nothing has changed";
  const auto* const kept = state(0, 0);
  files_["old.yaml"] = "endpoints: [10.0.0.2:80, 10.0.0.1:80]\n";
  pass(1s);
  EXPECT_EQ(publishes(), before + 1);
  EXPECT_THAT(endpoints(0), ElementsAre("10.0.0.2:80", "10.0.0.1:80"));
  EXPECT_EQ(state(0, 1), kept) << "an endpoint that stays keeps what is known of it";
  // Other words for the same.
  files_["old.yaml"] = "endpoints:\n  - 10.0.0.2:80\n  - 10.0.0.1:80\n";
  pass(1s);
  EXPECT_EQ(publishes(), before + 1);
}

TEST_F(DiscoveryTest, ABadFileChangesNothing) {
  boot_and_answer();
  pass(1s);
  const std::size_t before = publishes();
  files_["old.yaml"] = "endpoints:\n  - 10.0.0.2:80\n  - nonsense\n";
  for (int i = 0; i < 5; ++i) pass(1s);
  EXPECT_EQ(publishes(), before);
  EXPECT_THAT(error(0).value_or(""), HasSubstr("old.yaml:3:5: "));
  EXPECT_THAT(
      controller_->metrics_text(),
      HasSubstr("canaryd_upstream_discovery_total{upstream=\"old\",result=\"failed\"} 1\n"));
  files_.erase("old.yaml");
  for (int i = 0; i < 5; ++i) pass(1s);
  EXPECT_EQ(error(0), "old.yaml: No such file or directory");
  EXPECT_EQ(publishes(), before);
  EXPECT_THAT(
      controller_->metrics_text(),
      HasSubstr("canaryd_upstream_discovery_total{upstream=\"old\",result=\"failed\"} 2\n"));
  files_["old.yaml"] = "endpoints: [10.0.0.1:80]\n";
  pass(1s);
  EXPECT_EQ(error(0), std::nullopt);
  EXPECT_EQ(publishes(), before);
}

TEST_F(DiscoveryTest, ANameIsAskedForAfterItsRefreshTime) {
  boot_and_answer();
  asked_.clear();
  for (int i = 0; i < 9; ++i) pass(1s);
  EXPECT_THAT(asked_, IsEmpty());
  names_["new.internal"] =
      std::vector<SocketAddress>{at("[fd00::1]:80"), at("10.1.0.1:80"), at("10.1.0.2:80")};
  const auto* const kept = state(1, 0);
  pass(1s);
  EXPECT_THAT(asked_, ElementsAre("new.internal"));
  EXPECT_THAT(endpoints(1), ElementsAre("10.1.0.1:80", "10.1.0.2:80", "[fd00::1]:80"));
  EXPECT_EQ(state(1, 0), kept);
  const std::size_t before = publishes();
  names_["new.internal"] =
      std::vector<SocketAddress>{at("10.1.0.2:80"), at("10.1.0.1:80"), at("[fd00::1]:80")};
  pass(10s);
  EXPECT_EQ(publishes(), before) << "the order has changed, no more";
}

TEST_F(DiscoveryTest, WithoutAnAnswerTheOldOnesStay) {
  boot_and_answer();
  const std::size_t before = publishes();
  names_["new.internal"] = canaryd::fail(ErrorCode::kNotFound, "Name or service not known");
  pass(10s);
  EXPECT_EQ(error(1), "new.internal cannot be resolved: Name or service not known");
  names_["new.internal"] = std::vector<SocketAddress>{};
  pass(10s);
  EXPECT_EQ(error(1), "new.internal cannot be resolved: it has no address");
  EXPECT_THAT(endpoints(1), ElementsAre("10.1.0.1:80"));
  EXPECT_EQ(publishes(), before);
  names_["new.internal"] = std::vector<SocketAddress>{at("10.1.0.1:80")};
  pass(10s);
  EXPECT_EQ(error(1), std::nullopt);
}

// Neither a second question, nor an answer to one that nobody asks any more.
TEST_F(DiscoveryTest, ASlowAnswerIsWaitedFor) {
  boot_and_answer();
  asked_.clear();
  for (int i = 0; i < 30; ++i) {
    clock_.advance(1s);
    controller_->look();
  }
  EXPECT_THAT(asked_, ElementsAre("new.internal"));
  EXPECT_TRUE(reload(upstreams("{file: old.yaml}", "[10.3.0.1:80]")).ok);
  answer();
  EXPECT_THAT(endpoints(1), ElementsAre("10.3.0.1:80"));
  EXPECT_EQ(controller_->upstreams()[1].source, "list");
}

TEST_F(DiscoveryTest, AReloadKeepsWhatIsKnown) {
  boot_and_answer();
  const auto* const kept = state(1, 0);
  asked_.clear();
  ASSERT_TRUE(reload(file_ + "drain: {delay: 1s}\n").ok);
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_THAT(endpoints(1), ElementsAre("10.1.0.1:80"));
  EXPECT_EQ(state(1, 0), kept);
}

TEST_F(DiscoveryTest, AReloadWaitsForNewNames) {
  boot_and_answer();
  names_["next.internal"] = std::vector<SocketAddress>{at("10.2.0.1:80")};
  file_ = upstreams("{file: old.yaml}", "{dns: \"next.internal:80\"}");
  std::optional<ReloadResult> result;
  controller_->reload({}, [&](ReloadResult done) { result = std::move(done); });
  settle();
  EXPECT_FALSE(result.has_value());
  EXPECT_THAT(endpoints(1), ElementsAre("10.1.0.1:80"));
  answer();
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->ok);
  EXPECT_THAT(endpoints(1), ElementsAre("10.2.0.1:80"));
}

TEST_F(DiscoveryTest, AReloadWithANameThatLeadsNowhereIsRefused) {
  boot_and_answer();
  const std::string before = controller_->config_text();
  names_["nowhere.internal"] = canaryd::fail(ErrorCode::kNotFound, "Name or service not known");
  file_ = upstreams("{file: old.yaml}", "{dns: \"nowhere.internal:80\"}");
  std::optional<ReloadResult> result;
  controller_->reload({}, [&](ReloadResult done) { result = std::move(done); });
  answer();
  ASSERT_TRUE(result.has_value());
  EXPECT_FALSE(result->ok);
  EXPECT_EQ(result->problems.back().message,
            "upstreams.new.endpoints: nowhere.internal cannot be resolved: Name or service not "
            "known");
  EXPECT_EQ(controller_->config_text(), before);
  EXPECT_THAT(endpoints(1), ElementsAre("10.1.0.1:80"));
}

TEST_F(DiscoveryTest, AnAnswerAfterTheEndIsNobodys) {
  boot_and_answer();
  clock_.advance(10s);
  controller_->look();
  controller_.reset();
  while (!waiting_.empty()) {
    waiting_.front()();
    waiting_.pop_front();
  }
}

}  // namespace
}  // namespace canaryd::control::test
