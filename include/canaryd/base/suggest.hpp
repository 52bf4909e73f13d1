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

}  // namespace canaryd
