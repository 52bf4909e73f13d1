#include "canaryd/net/task.hpp"

#include "canaryd/net/task_group.hpp"

#include <array>
#include <new>

namespace canaryd::net::detail {
namespace {

// Frames are between about 100 bytes and a few KiB. Classes of 64 bytes waste little, and a class
// keeps at most 64 KiB.
constexpr std::size_t kClassBytes = 64;
constexpr std::size_t kPooledMax = 4096;
constexpr std::size_t kClasses = kPooledMax / kClassBytes;
constexpr std::size_t kKeptBytesMax = 64 * 1024;

// Under AddressSanitizer each frame is a fresh block, or a use after destruction would go unseen.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPooling = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kPooling = false;
#else
constexpr bool kPooling = true;
#endif
#else
constexpr bool kPooling = true;
#endif

struct FreeFrame {
  FreeFrame* next;
};

struct FrameCache {
  struct Class {
    FreeFrame* head = nullptr;
    std::size_t count = 0;
  };
  std::array<Class, kClasses> classes;

  FrameCache() = default;
  FrameCache(const FrameCache&) = delete;
  FrameCache& operator=(const FrameCache&) = delete;
  ~FrameCache() {
    for (Class& each : classes) {
      while (each.head != nullptr) {
        FreeFrame* frame = each.head;
        each.head = frame->next;
        ::operator delete(frame);
      }
    }
  }
};

thread_local FrameCache frame_cache;

constexpr std::size_t class_of(std::size_t bytes) noexcept {
  return (bytes + kClassBytes - 1) / kClassBytes - 1;
}

}  // namespace

void* allocate_frame(std::size_t bytes) {
  if (!kPooling || bytes > kPooledMax) return ::operator new(bytes);
  const std::size_t index = class_of(bytes);
  FrameCache::Class& cached = frame_cache.classes[index];
  if (cached.head == nullptr) return ::operator new((index + 1) * kClassBytes);
  FreeFrame* frame = cached.head;
  cached.head = frame->next;
  --cached.count;
  return frame;
}

void free_frame(void* frame, std::size_t bytes) noexcept {
  if (!kPooling || bytes > kPooledMax) return ::operator delete(frame);
  const std::size_t index = class_of(bytes);
  FrameCache::Class& cached = frame_cache.classes[index];
  if ((cached.count + 1) * (index + 1) * kClassBytes > kKeptBytesMax) {
    return ::operator delete(frame);
  }
  cached.head = ::new (frame) FreeFrame{cached.head};
  ++cached.count;
}

std::coroutine_handle<> PromiseBase::finish() noexcept {
  if (group_ != nullptr) {
    group_->finished(*this);
    return std::noop_coroutine();
  }
  // Still inside the caller's await_suspend: returning there goes on with the caller.
  if (starting_) return std::noop_coroutine();
  return caller_;
}

}  // namespace canaryd::net::detail
