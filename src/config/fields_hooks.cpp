// Rollouts: who is asked before a step, and told of what has happened.
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

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

// A program, which everybody may know, and its arguments.
Codec<std::vector<std::string>> command() {
  Codec<std::vector<std::string>> codec =
      list_of(secret(Node::Secret::kAll, text({"an argument", "", nullptr, 4096})), 1, 100);
  codec.write = [write = codec.write](const std::vector<std::string>& words, const Names& names) {
    std::optional<Node> node = write(words, names);
    if (node) node->items.front().secret = Node::Secret::kNone;
    return node;
  };
  return codec;
}

// How it is reached, after what it is told of.
void add_target(Section<Hook>& s) {
  s.add("http", Whole{}, http_hook(), "A URL that is called.");
  s.add("exec",
        &Hook::exec,
        command(),
        "Instead: a program, relative to this file or in PATH, and its arguments. It finds on its "
        "standard input what a URL would be sent; exit code 0 is what a 2xx is.");
  s.add("timeout",
        &Hook::exec_timeout,
        duration(1ms, 1h),
        "With `exec`: it is killed then, with all that it has started.");
}

bool has_one_target(Reader& in, const Node& node, const Hook& hook) {
  const bool http = hook.url || !hook.url_file.empty();
  if (http != !hook.exec.empty()) return true;
  return in.error(node, "either http or exec is needed, and not both");
}

const Section<Hook>& hook_section() {
  static const auto made = [] {
    Section<Hook> s("Hook");
    s.require("on",
              &Hook::on,
              list_of(choice(kHookEvents), 1, kHookEvents.size()),
              "`before_step`: it is asked before the weight rises, and has to answer with a 2xx. "
              "Otherwise what it is told of: the states that a rollout enters, and `inconclusive`, "
              "which is `held` for want of a verdict.");
    add_target(s);
    return s;
  }();
  return made;
}

const Section<Hook>& decommission_section() {
  static const auto made = [] {
    Section<Hook> s("Decommission hook");
    add_target(s);
    return s;
  }();
  return made;
}

Codec<Hook> decommission_hook() {
  Codec<Hook> one = section(decommission_section());
  one.read = [](Reader& in, const Node& node, Hook& out) {
    return decommission_section().read(in, node, out) && has_one_target(in, node, out);
  };
  return one;
}

}  // namespace

Codec<std::vector<Hook>> hook_list() {
  Codec<Hook> one = section(hook_section());
  one.read = [](Reader& in, const Node& node, Hook& out) {
    return hook_section().read(in, node, out) && has_one_target(in, node, out);
  };
  return list_of(std::move(one), 0, kMaxHooks);
}

const Section<Retire>& retire_section() {
  static const auto made = [] {
    Section<Retire> s("Retirement");
    s.add(
        "idle_for",
        &Retire::idle_for,
        duration(1s, 1000 * kDay),
        "After the bake: stable has had no request of this rollout for so long, and none is open.");
    s.add("drain",
          &Retire::drain,
          duration(0s, kDay),
          "Then nobody is sent there any more, and what is under way may take so long.");
    s.add("undo",
          &Retire::undo,
          duration(0s, 1000 * kDay),
          "For so long after that `canaryctl unretire` brings it back.");
    s.add(
         "hook",
         &Retire::hook,
         optional(decommission_hook()),
         "Called once when that is over; `{upstream}` in the arguments of `exec` is stable's name. "
         "Left out while another route, mirror or rollout needs that upstream.")
        .default_note = "none";
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
