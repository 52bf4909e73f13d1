// Rollouts: who is asked before a step, and told of what has happened.
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

bool is_file_name(std::string_view text) {
  return text.find('\0') == std::string_view::npos;
}

const Section<Hook>& http_section() {
  static const auto made = [] {
    Section<Hook> s("HTTP hook");
    s.add("url", &Hook::url, optional(http_url()), "What a POST goes to.");
    s.add("url_file",
          &Hook::url_file,
          text({"a file name", "", is_file_name, 4096}),
          "Instead: a file, relative to this one, that holds the URL, read anew for each call.");
    s.add("timeout", &Hook::timeout, duration(1ms, 10min), "For connecting and the whole answer.");
    return s;
  }();
  return made;
}

Codec<Hook> http_hook() {
  Codec<Hook> codec;
  codec.shape = section(http_section()).shape;
  codec.read = [](Reader& in, const Node& node, Hook& out) {
    if (!http_section().read(in, node, out)) return false;
    if (out.url.has_value() == !out.url_file.empty()) {
      return in.error(node, "either url or url_file is needed, and not both");
    }
    return true;
  };
  codec.write = [](const Hook& hook, const Names& names) -> std::optional<Node> {
    if (!hook.url && hook.url_file.empty()) return std::nullopt;
    return http_section().write(hook, names);
  };
  return codec;
}

const Section<Hook>& hook_section() {
  static const auto made = [] {
    Section<Hook> s("Hook");
    s.require("on",
              &Hook::on,
              list_of(choice(kHookEvents, {"retired"}), 1, kHookEvents.size()),
              "`before_step`: it is asked before the weight rises, and has to answer with a 2xx. "
              "Otherwise what it is told of: the states that a rollout enters, and `inconclusive`, "
              "which is `held` for want of a verdict.");
    s.add("http", Whole{}, http_hook(), "A URL that is called.");
    s.add(
        "exec",
        &Hook::exec,
        list_of(text({"an argument", "", nullptr, 4096}), 1, 100),
        "Instead: a program, relative to this file or in PATH, and its arguments. It finds on its "
        "standard input what a URL would be sent; exit code 0 is what a 2xx is.");
    s.add("timeout",
          &Hook::exec_timeout,
          duration(1ms, 1h),
          "With `exec`: it is killed then, with all that it has started.");
    return s;
  }();
  return made;
}

}  // namespace

Codec<std::vector<Hook>> hook_list() {
  Codec<Hook> one = section(hook_section());
  one.read = [](Reader& in, const Node& node, Hook& out) {
    if (!hook_section().read(in, node, out)) return false;
    const bool http = out.url || !out.url_file.empty();
    if (http == !out.exec.empty())
      return in.error(node, "either http or exec is needed, and not both");
    return true;
  };
  return list_of(std::move(one), 0, kMaxHooks);
}

}  // namespace canaryd::config
