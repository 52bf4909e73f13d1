// What somebody may have meant who wrote a word that is none of those that there are. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace canaryd {

// The words closest to `given`, for "did you mean": at most a third of its letters differ. More
// than one are equally close.
[[nodiscard]] std::vector<std::string_view> closest(std::string_view given,
                                                    const std::vector<std::string_view>& words);

// `did you mean "X"?`, or `"X" or "Y"` where both are as close. Empty if none is close, and of more
// than three.
[[nodiscard]] std::string did_you_mean(std::string_view given,
                                       const std::vector<std::string_view>& words);
// The same of words that are known to be meant; empty of none.
[[nodiscard]] std::string did_you_mean_one_of(const std::vector<std::string_view>& meant);

// `there is no such NOUN; there are A and B`, for who asked for one by its name: ten at most are
// named.
[[nodiscard]] std::string no_such(std::string_view noun,
                                  const std::vector<std::string_view>& names);

}  // namespace canaryd
