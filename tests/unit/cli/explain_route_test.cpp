#include "cli/explain_route.hpp"

#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

TEST(ExplainRoute, ShowsLaneAndSegment) {
  const auto text = render_explanation(
      R"({"listener": "public", "client": "127.0.0.1", "method": "GET", "host": "shop", "path": "/",
          "route": "shop", "match": "path_template /{page}", "lane": 2, "rollout": "to-v3",
          "state": "progressing", "weight": 5, "key_source": "header", "key_name": "X-User",
          "bucket": 143, "segment": 1, "segment_rule": "header X-Employee", "cohort": "canary",
          "counts": false, "upstream": "v3", "endpoints": [], "why": "it is in segment 1"})");
  EXPECT_EQ(text.value(),
            "  listener  public\n"
            "  client    127.0.0.1\n"
            "  request   GET shop/\n"
            "  route     shop (path_template /{page})\n"
            "  lane      2\n"
            "  rollout   to-v3, progressing, weight 5 %\n"
            "  key       header X-User, bucket 143 of 10000\n"
            "  segment   1: header X-Employee\n"
            "  cohort    canary, not part of the analysis\n"
            "  upstream  v3\n"
            "  why       it is in segment 1\n");
}

}  // namespace
}  // namespace canaryd::cli
