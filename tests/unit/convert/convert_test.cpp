#include "canaryd/convert/convert.hpp"

#include "canaryd/config/load.hpp"
#include "unit/convert/run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace canaryd::convert {
namespace {

TEST(Convert, KnowsItsSources) {
  EXPECT_EQ(parse_source("argo"), Source::kArgo);
  EXPECT_EQ(parse_source("flagger"), Source::kFlagger);
  EXPECT_EQ(parse_source("nginx"), Source::kNginx);
  EXPECT_EQ(parse_source("envoy"), std::nullopt);
}

TEST(Convert, RefusesWhatHasNoPlan) {
  for (const Source from : {Source::kArgo, Source::kFlagger, Source::kNginx}) {
    for (const char* const text : {"", "\n\n# nothing\n", "---\n---\n"}) {
      const Conversion result = run(from, text);
      EXPECT_FALSE(result.errors.empty()) << text;
      EXPECT_EQ(result.yaml, "");
    }
  }
  EXPECT_EQ(first_error(run(Source::kArgo, "kind: Deployment\n")),
            "0: there is no document of kind Rollout in the file");
}

TEST(Convert, NamesTheLineInLaterDocuments) {
  EXPECT_EQ(first_error(run(Source::kArgo, "kind: Service\n---\n\nkind: [\n")).substr(0, 3), "4: ");
  EXPECT_EQ(first_error(run(Source::kArgo, "kind: Service\n---\nkind: &a b\n")),
            "3: the YAML anchor \"&a\" is not supported; write out what it stands for, as `yq "
            "'explode(.)' FILE` does for a whole file");
  EXPECT_EQ(first_error(run(Source::kFlagger, "kind: Canary\nspec:\n  analysis: 5\n")),
            "3: spec.analysis: expected a map");
}

// What stands behind an anchor or a merge key may be a weight: nothing of it is passed over.
TEST(Convert, MakesNothingOfAnchorsAndMergeKeys) {
  const std::string steps = "    canary:\n      steps:\n      - setWeight: 5\n";
  const std::string rollout = "kind: Rollout\nmetadata: {name: shop}\n";
  const auto refused = [](const std::string& text, const std::string& why) {
    const Conversion result = run(Source::kArgo, text);
    EXPECT_EQ(first_error(result).substr(0, why.size()), why) << text;
    EXPECT_EQ(warnings_with(result, ""), 0U) << text;
    EXPECT_EQ(result.yaml, "");
  };
  refused(rollout + "spec:\n  strategy: &all\n" + steps, "4: the YAML anchor \"&all\" is not");
  refused("x-steps: &steps\n- setWeight: 5\n---\n" + rollout +
              "spec: {strategy: {canary: {steps: *steps}}}\n",
          "1: the YAML anchor \"&steps\" is not");
  // An anchor holds for its document.
  refused(rollout + "spec: {strategy: {canary: {steps: *steps}}}\n",
          "3: YAML aliases are not supported");
  refused(
      "kind: Service\n---\n" + rollout + "spec:\n  strategy:\n    <<:\n      canary: {}\n" + steps,
      "7: the YAML merge key \"<<\" is not supported; write out what it stands for");
  const Conversion flagger = run(Source::kFlagger,
                                 "kind: Canary\nmetadata: {name: shop}\nspec:\n  analysis:\n"
                                 "    metrics:\n    - <<: [{name: request-success-rate}]\n");
  EXPECT_EQ(first_error(flagger).substr(0, 27), "6: the YAML merge key \"<<\" ");
  EXPECT_EQ(flagger.errors.size(), 1U) << all_errors(flagger);
  EXPECT_EQ(warnings_with(flagger, ""), 0U);
  EXPECT_EQ(flagger.yaml, "");
}

// Clients send hosts as they like, and nginx and canaryd compare them in small letters.
TEST(Convert, TakesServerNamesInCapitals) {
  const Conversion result =
      run(Source::kNginx,
          "upstream a { server 127.0.0.1:9001; }\nupstream b { server 127.0.0.1:9002; }\n"
          "split_clients $remote_addr $way { 5% b; * a; }\n"
          "server { server_name Shop.Test; location / { proxy_pass http://$way; } }\n"
          "server { server_name shop.TEST B.Test; location / { proxy_pass http://b; } }\n");
  EXPECT_NE(result.yaml.find("b.test"), std::string::npos) << result.yaml;
  EXPECT_EQ(result.yaml.find("Test"), std::string::npos) << result.yaml;
}

TEST(Convert, SaysWhatIsWrongWithAWeight) {
  const std::string start =
      "kind: Rollout\nmetadata: {name: shop}\nspec:\n  strategy:\n    canary:\n      steps:\n";
  EXPECT_EQ(first_error(run(Source::kArgo, start + "      - setWeight: 101\n")),
            "7: the weight \"101\" is not a percentage of 0 to 100 with at most two decimals");
  EXPECT_EQ(first_error(run(Source::kArgo, start + "      - setWeight: [1]\n")).substr(0, 2), "7:");
  EXPECT_EQ(first_error(
                run(Source::kArgo, start + "      - setWeight: 5\n      - pause: {duration: 5y}\n"))
                .substr(0, 2),
            "8:");
  // Pauses cannot be added up to an overflow.
  std::string long_pauses = start + "      - setWeight: 5\n";
  for (int i = 0; i < 20; ++i) long_pauses += "      - pause: {duration: 9000d}\n";
  EXPECT_EQ(first_error(run(Source::kArgo, long_pauses)),
            "8: the pauses of this step are longer than 1000 days");
}

TEST(Convert, RefusesAQuoteThatNeverEnds) {
  EXPECT_EQ(first_error(run(Source::kArgo,
                            "kind: Service\n---\nkind: Rollout\nmetadata: {name: shop}\nspec:\n"
                            "  strategy:\n    canary:\n      steps:\n      - setWeight: 5\n"
                            "      - experiment: \"x\n      - setWeight: 100\n")),
            "10: this quoted text never ends; check for a missing quote");
}

TEST(Convert, SaysWhatIsWrongWithNginx) {
  EXPECT_EQ(first_error(run(Source::kNginx, "http {\n  upstream a { server 1.2.3.4; }\n")),
            "3: a \"}\" is missing");
  EXPECT_EQ(first_error(run(Source::kNginx, "a b\n")), "2: a \";\" is missing");
  EXPECT_EQ(first_error(run(Source::kNginx, "a;\n}\n")), "2: this \"}\" closes nothing");
  EXPECT_EQ(first_error(run(Source::kNginx, "a 'b\n;")), "1: the quoted text never ends");
  EXPECT_EQ(first_error(run(Source::kNginx, "a ${b\n;")), "1: the \"${\" is not closed");
  EXPECT_EQ(first_error(run(Source::kNginx, "\n;")), "2: a name is missing here");
  EXPECT_EQ(first_error(run(Source::kNginx, "split_clients $a $b {\n  5% x;\n  * y;\n}\n")),
            "2: the value \"x\" is not the name of an upstream block in this file");
}

// What the result is refused for has the line that the part of it was made of.
TEST(Convert, NamesTheLineOfWhatMakesNoConfiguration) {
  EXPECT_EQ(
      all_errors(run(Source::kNginx,
                     "upstream a {\n"
                     "  server 127.0.0.1:9001;\n"
                     "  server 127.0.0.1:9002 weight=0;\n"
                     "}\n"
                     "upstream b { server x:9003 fail_timeout=0; }\n"
                     "split_clients $http_ $way { 5% b; * a; }\n"
                     "server {\n"
                     "  location / { proxy_pass http://$way; }\n"
                     "  location /\xc3\xa4 { proxy_pass http://a; }\n"
                     "}\n")),
      "3: makes no valid configuration: upstreams.a.endpoints[1].weight: expected an integer "
      "from 1 to 1000, got \"0\"\n"
      "5: makes no valid configuration: upstreams.b.outlier_detection.ejection: expected a "
      "duration from 100ms to 1d, got \"0s\"\n"
      "6: makes no valid configuration: rollouts.way.cohort.keys[0].header: expected a header "
      "name, got \"\"\n"
      "9: makes no valid configuration: routes[1].match.path_prefix: expected a path that "
      "begins with /, without query, //, dot segments or needless escapes, got "
      "\"/\xc3\xa4\"\n");
}

TEST(Convert, NamesTheLineOfWhatIsThereTwice) {
  const std::string upstreams =
      "upstream a { server 127.0.0.1:9001; }\nupstream b { server 127.0.0.1:9002; }\n";
  EXPECT_EQ(all_errors(run(Source::kNginx,
                           upstreams + "split_clients $http_x $way { 5% b; * a; }\n"
                                       "split_clients $http_x $way { 5% b; * a; }\n")),
            "4: there are two split_clients called way\n");
  EXPECT_EQ(all_errors(run(Source::kNginx,
                           upstreams + "split_clients $http_x $way { 5% b; * a; }\n"
                                       "split_clients $http_x $other { 5% b; * a; }\n")),
            "3: no location of the file leads to way, and there are several split_clients: which "
            "requests are its own?\n");
  const std::string rollout =
      "kind: Rollout\nmetadata: {name: x}\nspec: {strategy: {canary: {}}}\n";
  EXPECT_EQ(first_error(run(Source::kArgo, rollout + "---\n" + rollout)).substr(0, 3), "5: ");
  const std::string canary = "kind: Canary\nmetadata: {name: x}\n";
  EXPECT_EQ(first_error(run(Source::kFlagger, canary + "---\n" + canary)).substr(0, 3), "4: ");
  EXPECT_EQ(first_error(run(Source::kArgo, "\nkind: Rollout\nmetadata: {name: x}\n")),
            "2: spec.strategy.canary is missing");
}

// What nginx answers itself is the same here, unless each request gets another text.
TEST(Convert, KeepsTheTextOfAnAnswer) {
  const auto answered = [](const std::string& answer) {
    const Conversion result = run(Source::kNginx,
                                  "upstream a { server 127.0.0.1:9001; }\n"
                                  "upstream b { server 127.0.0.1:9002; }\n"
                                  "split_clients $http_x $way { 5% b; * a; }\n"
                                  "server { location / { proxy_pass http://$way; }\n"
                                  "location /a { return " +
                                      answer + "; } }\n");
    const bool left_out =
        std::any_of(result.warnings.begin(), result.warnings.end(), [](const Note& note) {
          return note.message.find("its text is not carried over") != std::string::npos;
        });
    config::LoadInput input;
    input.text = result.yaml;
    const config::LoadResult loaded = config::load(input);
    if (!loaded.config) return "invalid: " + all_errors(result);
    const auto& respond = loaded.config->routes.at(1).respond;
    return (respond ? respond->body : "no answer") + (left_out ? "left out" : "");
  };
  EXPECT_EQ(answered("200 \"it's \\\"well\\\"\\n\""), "it's \"well\"\n");
  EXPECT_EQ(answered("503 later"), "later");
  EXPECT_EQ(answered("404"), "");
  for (const char* const other :
       {"200 '${HOME'", "200 \"for $host\"", "204 \"nothing\"", "200 \"\xff\""}) {
    EXPECT_EQ(answered(other), "left out") << other;
  }
}

// A file cannot put lines of its own into the result.
TEST(Convert, WritesTextsAsTexts) {
  const Conversion result = run(Source::kArgo,
                                "kind: Rollout\n"
                                "metadata: {name: \"a\\nworkers: 7\"}\n"
                                "spec:\n"
                                "  template: {spec: {containers: [{image: \"x:1${HOME}\\\"\"}]}}\n"
                                "  \"odd\\nadmin:\": 1\n"
                                "  strategy: {canary: {steps: [{setWeight: 5}]}}\n");
  ASSERT_TRUE(result.errors.empty()) << first_error(result);
  config::LoadInput input;
  input.text = result.yaml;
  const config::LoadResult loaded = config::load(input);
  ASSERT_TRUE(loaded.config.has_value()) << result.yaml;
  EXPECT_EQ(loaded.config->workers, 0U);
  EXPECT_EQ(loaded.config->rollouts.at(0).plan.revision, "1${HOME}\"");
}

TEST(Convert, IsBounded) {
  EXPECT_EQ(first_error(run(Source::kArgo, std::string(config::kMaxFileBytes + 1, ' '))),
            "0: the file is larger than 1 MiB");
  std::string documents;
  for (int i = 0; i < 200; ++i) documents += "kind: Service\n---\n";
  EXPECT_EQ(first_error(run(Source::kArgo, documents)), "201: more than 100 documents");
  EXPECT_EQ(first_error(run(Source::kNginx, std::string(100'000, '{'))),
            "1: a name is missing here");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "a {\n";
  EXPECT_EQ(first_error(run(Source::kNginx, deep)),
            std::to_string(config::kMaxDepth + 1) + ": nested too deep");
  std::string odd = "events {}\n";
  for (int i = 0; i < 1000; ++i) odd += "odd" + std::to_string(i) + " 1;\n";
  odd +=
      "upstream a { server 1.2.3.4; } upstream b { server 1.2.3.5:81; }\n"
      "split_clients $request_id $v { 5% a; * b; }\n";
  const Conversion many = run(Source::kNginx, odd);
  EXPECT_LE(many.warnings.size(), kNotesMax + 1);
  EXPECT_TRUE(many.errors.empty()) << first_error(many);
}

}  // namespace
}  // namespace canaryd::convert
