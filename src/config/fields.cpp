// The top level of the file and its small sections.
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

Codec<Config> version() {
  Codec<Config> codec;
  const auto one = integer(1, 1);
  codec.shape = one.shape;
  codec.shape.type = "1";
  codec.read = [](Reader& in, const Node& node, Config& /*out*/) {
    if (!is_literal(in, node, "1")) return false;
    if (node.text == "1") return true;
    return in.error(node, "this canaryd reads version 1 of the file, got " + quoted(node.text));
  };
  codec.write = [](const Config& /*value*/, const Names& /*names*/) {
    return std::optional(Node::literal("1"));
  };
  return codec;
}

// `defaults` leaves nothing in the Config: load() merges it under the rollouts before they are
// read. Here it is checked once, so that its problems are reported where they stand and not once
// for each rollout.
struct Defaults {
  Rollout rollout;
};

const Section<Defaults>& defaults_section() {
  static const auto made = [] {
    Section<Defaults> s("Defaults");
    s.add("rollout",
          &Defaults::rollout,
          section(rollout_section()),
          "Any keys of a rollout: merged under every rollout. Maps are merged key by key, lists "
          "are replaced.")
        .default_value.reset();
    return s;
  }();
  return made;
}

Codec<Config> defaults() {
  Codec<Config> codec;
  codec.shape = section(defaults_section()).shape;
  codec.read = [](Reader& in, const Node& node, Config& /*out*/) {
    Defaults ignored;
    in.partial = true;
    const bool good = defaults_section().read(in, node, ignored);
    in.partial = false;
    return good;
  };
  codec.write = [](const Config& /*value*/, const Names& /*names*/) -> std::optional<Node> {
    return std::nullopt;
  };
  return codec;
}

Codec<std::string> log_file() {
  return text({"a file", "", is_printable, 1024});
}

bool is_whole_path(std::string_view text) {
  return text.front() == '/' && std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '?' && c != '#';
         });
}

const Section<AccessLog>& access_section() {
  static const auto made = [] {
    Section<AccessLog> s("Access log");
    s.add(
        "sample",
        &AccessLog::sample,
        weight(),
        "Percent of the cohort keys (without one: of the request ids) whose requests are logged.");
    s.add("exclude_paths",
          &AccessLog::exclude_paths,
          list_of(text({"a path that begins with \"/\"", "^/", is_whole_path, 1024}), 0, 64),
          "Paths that are not logged: whole, without the query.");
    s.add("file",
          &AccessLog::file,
          optional(log_file()),
          "A file to append to, reopened on SIGUSR1; without it: standard output.")
        .restart = true;
    s.add("format",
          &AccessLog::format,
          choice(kAccessFormats),
          "`combined`: Apache's, then microseconds, cohort and upstream.");
    return s;
  }();
  return made;
}

const Section<Log>& log_section() {
  static const auto made = [] {
    Section<Log> s("Log");
    s.add("level",
          &Log::level,
          choice(kLogLevels),
          "The least that is written; `trace` is as `debug`.");
    s.add("format", &Log::format, choice(kLogFormats), "`text` for terminals.").restart = true;
    s.add("file",
          &Log::file,
          optional(log_file()),
          "A file to append to, reopened on SIGUSR1; without it: standard output.")
        .restart = true;
    s.add("access",
          &Log::access,
          optional(section(access_section())),
          "One line for each request; `{}` for all defaults, left out: none.")
        .restart = true;
    return s;
  }();
  return made;
}

const Section<Tracing>& tracing_section() {
  static const auto made = [] {
    Section<Tracing> s("Tracing");
    s.add("propagate",
          &Tracing::propagate,
          list_of(choice(kPropagations, {"b3"}), 1, 1),
          "`w3c`: `traceparent` and `tracestate`.");
    s.add("sample",
          &Tracing::sample,
          percent(0, 100),
          "Percent of the traces begun here that are marked as sampled.");
    s.unsupported({"request_id"});
    return s;
  }();
  return made;
}

const Section<Metrics>& metrics_section() {
  static const auto made = [] {
    Section<Metrics> s("Metrics");
    s.add("latency_buckets",
          &Metrics::latency_buckets,
          list_of(number(1e-6, 86400), 1, 64),
          "Upper bounds of the latency histograms in seconds, rising.");
    return s;
  }();
  return made;
}

const Section<Retention>& retention_section() {
  static const auto made = [] {
    Section<Retention> s("Retention");
    s.add("keep",
          &Retention::keep,
          optional(duration(1h, 10'000 * kDay)),
          "An entry of the history goes once it is older, and the evidence of a rollout that ended "
          "that long ago; left out, their age is no reason to go.");
    s.add("max_entries",
          &Retention::max_entries,
          optional(integer(100, 1'000'000'000)),
          "An entry of the history goes once so many are newer; left out, any number may stay.");
    return s;
  }();
  return made;
}

const Section<State>& state_section() {
  static const auto made = [] {
    Section<State> s("State");
    s.add("dir",
          &State::dir,
          text({"a directory", "", is_printable, 1024}),
          "Where the state of the rollouts and their history are kept.")
        .restart = true;
    s.add("retention",
          &State::retention,
          section(retention_section()),
          "What of the history may go. What has not ended stays, and so does the last entry of "
          "each rollout.");
    return s;
  }();
  return made;
}

const Section<Drain>& drain_section() {
  static const auto made = [] {
    Section<Drain> s("Drain");
    s.add("timeout",
          &Drain::timeout,
          duration(0s, kDay),
          "How long requests may take to finish when the daemon stops.");
    s.add("delay",
          &Drain::delay,
          duration(0s, 1h),
          "Before that: not ready any more, but still accepting, so that load balancers notice.");
    return s;
  }();
  return made;
}

}  // namespace

const Section<Config>& root_section() {
  static const auto made = [] {
    Section<Config> s("Top level");
    s.require("version", Whole{}, version(), "Version of the file's schema.");
    s.add("workers",
          &Config::workers,
          word_or("auto", std::uint32_t{0}, narrow<std::uint32_t>(integer(1, 64))),
          "Threads that carry traffic; `auto`: one per core.")
        .restart = true;
    s.require("listeners",
              &Config::listeners,
              list_of(section(listener_section()), 1, 100),
              "Where clients connect.");
    s.add("admin", &Config::admin, section(admin_section()), "The admin API.");
    s.require("upstreams",
              &Config::upstreams,
              named(upstream_section(), 1, 1000),
              "The versions of your services, by name.");
    s.add("defaults", Whole{}, defaults(), "What rollouts have in common.");
    s.add("rollouts",
          &Config::rollouts,
          named(rollout_section(), 0, 1000),
          "Traffic that moves from one upstream to another, by name.");
    s.require("routes",
              &Config::routes,
              list_of(section(route_section()), 1, 10'000),
              "Which requests go where.");
    s.add("log", &Config::log, section(log_section()), "The daemon's log, and the access log.");
    s.add("metrics", &Config::metrics, section(metrics_section()), "The /metrics page.");
    s.add("tracing",
          &Config::tracing,
          optional(section(tracing_section())),
          "Begins a trace where a request brings none; `{}` for all defaults, left out: none.");
    s.add(
        "migration",
        &Config::migration,
        optional(section(migration_section())),
        "What `canaryctl migration` looks at beside the routes; left out, paths are not watched.");
    s.add("state", &Config::state, section(state_section()), "What survives a restart.");
    s.add("drain", &Config::drain, section(drain_section()), "How the daemon stops.");
    s.unsupported({"fleet"});
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
