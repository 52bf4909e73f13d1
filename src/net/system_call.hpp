// A system call without a function around it: a request makes four, and syscall() of the C library
// puts each argument into another register. Elsewhere than on x86-64 it is that function. Sets
// errno and returns -1 as it does. Any thread.
#pragma once

#include <cerrno>
#include <cstddef>
#include <unistd.h>

namespace canaryd::net {

// Of six arguments; the last two are 0.
inline long system_call(
    long number, int fd, const void* data, std::size_t third, int fourth) noexcept {
#if defined(__x86_64__) && defined(__LP64__)
  long result = number;
  register long r10 __asm__("r10") = fourth;
  register long r8 __asm__("r8") = 0;
  register long r9 __asm__("r9") = 0;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(static_cast<long>(fd)), "S"(data), "d"(third), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
#else
  return ::syscall(number, fd, data, third, fourth, nullptr, 0);
#endif
}

}  // namespace canaryd::net
