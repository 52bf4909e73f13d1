#include "canaryd/stats/path_sketch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace canaryd::stats {
namespace {

std::string shape_of(std::string_view path) {
  std::array<char, kShapeBytesMax> text{};
  return std::string(shape_of_path(path, text));
}

TEST(PathSketchTest, IdsAreFolded) {
  const std::string long_name(33, 'a');
  for (const auto& [path, shape] : std::vector<std::pair<std::string, std::string>>{
           {"/", "/"},
           {"*", "*"},
           {"/orders", "/orders"},
           {"/orders/", "/orders/"},
           {"/orders/7", "/orders/{id}"},
           {"/orders/4711/items/", "/orders/{id}/items/"},
           {"/v1/oauth2/s3", "/v1/oauth2/s3"},
           {"/2024-01-05", "/{id}"},
           {"/order-12345", "/{id}"},
           {"/9f8b3c7e-0d5a-4e1b-9c1d-2a3b4c5d6e7f", "/{id}"},
           {"/12.json", "/{id}"},
           {"/index.html", "/index.html"},
           {"/" + long_name, "/{id}"},
           {"/" + long_name.substr(1), "/" + long_name.substr(1)},
           {"/tom@example.com/x", "/{id}/x"},
           {"/a%20b", "/{id}"},
           {"/a/b/c/d", "/a/b/c/d"},
           {"/a/b/c/d/", "/a/b/c/d/*"},
           {"/a/b/c/d/e/f", "/a/b/c/d/*"}}) {
    EXPECT_EQ(shape_of(path), shape) << path;
  }
}

TEST(PathSketchTest, TheLongestShapeFits) {
  const std::string segment(kShapeSegmentBytesMax, 'a');
  std::string path;
  for (std::size_t i = 0; i < kShapeSegmentsMax; ++i) path += "/" + segment;
  PathSketch sketch;
  sketch.count(path + "/more", true);
  ASSERT_EQ(sketch.read().size(), 1U);
  EXPECT_EQ(sketch.read().front().shape, path + "/*");
}

TEST(PathSketchTest, CountsAreExactWhileThereIsRoom) {
  PathSketch sketch;
  for (int i = 0; i < 1000; ++i) {
    sketch.count("/orders/" + std::to_string(i), true);
    if (i % 4 == 0) sketch.count("/orders/x", false);
    if (i % 10 == 0) sketch.count("/orders/x", true);
  }
  const auto counts = merge_paths(sketch.read(), 10);
  ASSERT_EQ(counts.size(), 3U);
  EXPECT_EQ(counts[0].shape, "/orders/{id}");
  EXPECT_EQ(counts[0].requests, 1000U);
  EXPECT_EQ(counts[0].error, 0U);
  EXPECT_EQ(counts[1].requests, 250U);
  EXPECT_FALSE(counts[1].routed);
  EXPECT_EQ(counts[2].requests, 100U);
  EXPECT_TRUE(counts[2].routed);
}

std::string word(unsigned number) {
  std::string text = "/";
  do {
    text += static_cast<char>('a' + number % 26);
    number /= 26;
  } while (number != 0);
  return text;
}

// More shapes than there is room for: none is lost that is frequent, the sum is that of all calls,
// and each count is wrong by its error at most.
TEST(PathSketchTest, TooManyShapes) {
  PathSketch sketch;
  std::map<std::string, std::uint64_t> truth;
  const auto count = [&](const std::string& path) {
    sketch.count(path, true);
    ++truth[path];
  };
  constexpr unsigned kRounds = 20000;
  for (unsigned i = 0; i < kRounds; ++i) {
    count(word(1000 + i));
    if (i % 3 == 0) count("/often");
  }
  const auto counts = sketch.read();
  EXPECT_LE(counts.size(), PathSketch::kSlots);
  std::uint64_t sum = 0;
  for (const PathCount& each : counts) {
    sum += each.requests;
    EXPECT_GE(each.requests, truth[each.shape]) << each.shape;
    EXPECT_LE(each.requests - each.error, truth[each.shape]) << each.shape;
  }
  EXPECT_EQ(sum, kRounds + truth["/often"]);
  EXPECT_EQ(merge_paths(counts, 1).at(0).shape, "/often");
}

TEST(PathSketchTest, MergedTheMostFrequentFirst) {
  const auto merged = merge_paths({{"/a", true, 5, 1},
                                   {"/b", true, 4, 0},
                                   {"/a", true, 2, 1},
                                   {"/a", false, 6, 0},
                                   {"/c", true, 1, 0}},
                                  3);
  ASSERT_EQ(merged.size(), 3U);
  EXPECT_EQ(merged[0].requests, 7U);
  EXPECT_EQ(merged[0].error, 2U);
  EXPECT_FALSE(merged[1].routed);
  EXPECT_EQ(merged[2].shape, "/b");
}

// What is read while it changes is some shape that was counted, never a mixture.
TEST(PathSketchTest, ReadWhileItCounts) {
  PathSketch sketch;
  std::atomic<bool> done = false;
  std::thread counting([&] {
    for (unsigned i = 0; i < 30000; ++i) {
      const char letter = static_cast<char>('a' + i % 26);
      sketch.count("/" + std::string(1 + i % 30, letter), i % 2 == 0);
    }
    done = true;
  });
  std::size_t seen = 0;
  while (!done || seen == 0) {
    for (const PathCount& each : sketch.read()) {
      ++seen;
      const char first = each.shape.at(1);
      EXPECT_EQ(each.shape.find_first_not_of(first, 1), std::string::npos) << each.shape;
      EXPECT_GE(each.requests, each.error);
    }
  }
  counting.join();
}

}  // namespace
}  // namespace canaryd::stats
