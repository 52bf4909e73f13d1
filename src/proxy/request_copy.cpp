#include "proxy/request_copy.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace canaryd::proxy {

void RequestCopy::set_head(std::string_view head) {
  put(head);
  head_size_ = size_;
}

void RequestCopy::append(std::string_view run) {
  if (failed_ || run.empty()) return;
  if (run.size() > body_bytes_max_ - body_size()) return fail(stats::Mirrored::kTooLarge);
  put(run);
}

// Grows by doubling, so that a copy takes no more than twice what has come.
void RequestCopy::put(std::string_view bytes) {
  if (size_ + bytes.size() > block_.size()) {
    auto larger = bytes_->acquire(std::max(size_ + bytes.size(), 2 * size_));
    if (!larger) return fail(stats::Mirrored::kBusy);
    if (size_ > 0) std::memcpy(larger->data(), block_.data(), size_);
    block_ = std::move(*larger);
  }
  std::memcpy(block_.data() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void RequestCopy::fail(stats::Mirrored why) noexcept {
  failed_ = why;
  block_.release();
  head_size_ = size_ = 0;
}

}  // namespace canaryd::proxy
