#include "cli/interrupts.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace canaryd::cli {
namespace {

// Signal handlers have no other place to keep this. The first interrupt writes a byte, for which a
// wait polls; nobody reads it, so that every later wait finds it too.
int interrupt_pipe[2] = {-1, -1};
volatile std::sig_atomic_t was_interrupted = 0;
volatile std::sig_atomic_t is_hidden = 0;

// This and what it calls are safe in a signal handler.
void set_echo(bool on) {
  termios modes{};
  if (::tcgetpgrp(STDOUT_FILENO) != ::getpgrp() || ::tcgetattr(STDOUT_FILENO, &modes) != 0) return;
  constexpr tcflag_t kEcho = ECHO;
  const bool is_on = (modes.c_lflag & kEcho) != 0;
  if (is_on == on) return;
  modes.c_lflag ^= kEcho;
  if (::tcsetattr(STDOUT_FILENO, TCSANOW, &modes) == 0) is_hidden = on ? 0 : 1;
}

void show_again() {
  if (is_hidden != 0) set_echo(true);
}

void on_interrupt(int signal) {
  const int saved = errno;
  if (was_interrupted != 0) {
    show_again();
    std::signal(signal, SIG_DFL);
    std::raise(signal);  // Comes when the handler returns.
  }
  was_interrupted = 1;
  const char byte = 0;
  if (::write(interrupt_pipe[1], &byte, 1) < 0) {
    // The pipe is full: the interrupt is known already.
  }
  errno = saved;
}

// The signal's own effect comes in raise(): the process ends there, or stops, and goes on from
// there.
void on_leaving(int signal) {
  const int saved = errno;
  show_again();
  std::raise(signal);
  errno = saved;
}

bool catch_interrupts() {
  if (::pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  return ::sigaction(SIGINT, &action, nullptr) == 0 && ::sigaction(SIGTERM, &action, nullptr) == 0;
}

void catch_leaving() {
  constexpr std::array kSignals{SIGTSTP, SIGQUIT, SIGHUP};
  for (const int signal : kSignals) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = on_leaving;
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND | SA_NODEFER);
    ::sigaction(signal, &action, nullptr);
  }
}

}  // namespace

bool wait_unless_interrupted(Duration duration) {
  static const bool caught = catch_interrupts();
  if (!caught) return false;
  pollfd entry{interrupt_pipe[0], POLLIN, 0};
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  while (true) {
    const int ready = ::poll(&entry, 1, static_cast<int>(milliseconds));
    if (ready == 0) return true;
    if (ready > 0 || errno != EINTR) return false;
  }
}

void show_typing(bool shown) {
  if (shown) return show_again();
  // Each time anew: a handler serves once.
  catch_leaving();
  set_echo(false);
}

}  // namespace canaryd::cli
