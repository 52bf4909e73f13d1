#include "control/hook_call.hpp"

#include <algorithm>
#include <string_view>

namespace canaryd::control {
namespace {

// What is read of an answer: its status is all that counts.
constexpr std::size_t kAnswerBytesMax = std::size_t{4} * 1024;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// So that other arguments make another command, whatever blanks they have.
void append_escaped(std::string& out, std::string_view argument) {
  for (const char c : argument) {
    if (c == ' ' || c == '\\') out += '\\';
    out += c;
  }
}

Result<void> verdict_of(const Result<client::Response>& answer) {
  if (!answer) return fail(answer.error());
  if (answer->status >= 200 && answer->status <= 299) return {};
  return fail(ErrorCode::kRefused, "the answer was " + std::to_string(answer->status));
}

}  // namespace

std::string target_of(const config::Hook& hook) {
  if (hook.url) return hook.url->to_string();
  if (!hook.url_file.empty()) return "the URL in " + hook.url_file;
  std::string command;
  for (const std::string& each : hook.exec) {
    if (!command.empty()) command += ' ';
    append_escaped(command, each);
  }
  return command;
}

std::string shown_target(const config::Hook& hook) {
  if (hook.url) return masked_url(hook.url->to_string());
  if (hook.exec.empty()) return target_of(hook);
  const std::size_t arguments = hook.exec.size() - 1;
  if (arguments == 0) return hook.exec.front();
  return hook.exec.front() + " with " + std::to_string(arguments) +
         (arguments == 1 ? " argument" : " arguments");
}

Duration back_off(std::uint32_t failures, Duration most) noexcept {
  constexpr std::uint32_t kDoublingsMax = 20;
  const std::uint32_t doublings = std::min(failures == 0 ? 0 : failures - 1, kDoublingsMax);
  return std::min<Duration>(most, std::chrono::seconds(std::int64_t{1} << doublings));
}

Result<HttpUrl> HookCaller::url_of(const config::Hook& hook) const {
  if (hook.url) return *hook.url;
  if (!read_file_) return fail(ErrorCode::kIo, "files are not read");
  const Result<std::string> text = read_file_(hook.url_file);
  if (!text) return fail(text.error().code, hook.url_file + ": " + text.error().context);
  auto url = parse_http_url(trimmed(*text));
  // What the file holds is a secret, and so is what is wrong with it.
  if (!url) return fail(ErrorCode::kMalformed, hook.url_file + " does not hold an http URL");
  return url;
}

void HookCaller::call(const config::Hook& hook,
                      const std::string& rollout,
                      std::string body,
                      Done done) {
  if (hook.exec.empty()) return ask(hook, std::move(body), std::move(done));
  run(hook, rollout, std::move(body), std::move(done));
}

void HookCaller::run(const config::Hook& hook,
                     const std::string& rollout,
                     std::string body,
                     Done done) {
  if (exec_ == nullptr) return done(fail(ErrorCode::kUnsupported, "no program is run"));
  ExecCall call;
  call.command = hook.exec;
  call.input = std::move(body);
  call.timeout = hook.exec_timeout;
  exec_->run(
      std::move(call),
      [&log = log_, name = shown_target(hook), rollout, done = std::move(done)](
          const Result<ExecResult>& result) {
        if (!result) return done(fail(result.error()));
        log.info(log_event::kHookRan,
                 name + " ended with exit code " + std::to_string(result->status),
                 {{"rollout", rollout},
                  {"exit_code", static_cast<std::int64_t>(result->status)},
                  {"output", result->output}});
        if (result->status == 0) return done({});
        done(fail(ErrorCode::kRefused, "its exit code was " + std::to_string(result->status)));
      });
}

void HookCaller::ask(const config::Hook& hook, std::string body, Done done) {
  Result<HttpUrl> url = url_of(hook);
  if (!url) return done(fail(std::move(url).error()));
  if (http_ == nullptr) return done(fail(ErrorCode::kUnsupported, "nobody is asked"));
  HttpQuestion question;
  question.url = std::move(*url);
  question.method = "POST";
  question.headers = {{"Content-Type", "application/json"}};
  question.body = std::move(body);
  question.timeout = hook.timeout;
  question.body_bytes_max = kAnswerBytesMax;
  question.head_only = true;
  http_->ask(std::move(question), [done = std::move(done)](const Result<client::Response>& answer) {
    done(verdict_of(answer));
  });
}

}  // namespace canaryd::control
