#include "control/discovery.hpp"

#include "canaryd/config/endpoints_file.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {
namespace {

// A name without any address yet is asked for sooner than its refresh time.
constexpr Duration kRetryEmpty = std::chrono::seconds(1);

std::string source_text(const config::Discovery& where) {
  if (where.by_file()) return "file " + where.file;
  return "dns " + where.host + ":" + std::to_string(where.port);
}

// "endpoints.yaml:2:3: error".
std::string first_error(const std::vector<config::Problem>& problems) {
  for (const config::Problem& problem : problems) {
    if (problem.severity != config::Severity::kError) continue;
    return problem.file + ":" + std::to_string(problem.line) + ":" +
           std::to_string(problem.column) + ": " + problem.message;
  }
  return "unknown";
}

std::string sentence(const Error& error) {
  return error.context.empty() ? describe(error) : error.context;
}

std::string unresolved(const config::Discovery& where, const Error& error) {
  return where.host + " cannot be resolved: " + sentence(error);
}

}  // namespace

Result<std::vector<config::Endpoint>> endpoints_of(
    const Result<std::vector<SocketAddress>>& found) {
  if (!found) return canaryd::fail(found.error());
  std::vector<SocketAddress> addresses = *found;
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses.empty()) return canaryd::fail(ErrorCode::kNotFound, "it has no address");
  if (addresses.size() > config::kEndpointsMax) {
    return canaryd::fail(
        ErrorCode::kLimit,
        "it has more than " + std::to_string(config::kEndpointsMax) + " addresses");
  }
  std::vector<config::Endpoint> endpoints;
  for (const SocketAddress& address : addresses) {
    config::Endpoint endpoint;
    endpoint.address = address;
    endpoints.push_back(endpoint);
  }
  return endpoints;
}

struct Discovery::Source {
  std::string upstream;
  config::Discovery where;
  Endpoints endpoints;
  Status status;
  // Of a file.
  std::string text;  // As read last, good or bad.
  bool text_known = false;
  // Of a name.
  bool asking = false;
  Monotonic ask_at = Monotonic::min();
};

// The names of a configuration that is not in force yet.
struct Discovery::Preparing {
  std::vector<std::unique_ptr<Source>> sources;
  std::size_t left = 0;
  std::vector<std::string> errors;
  std::function<void(std::vector<std::string>)> done;
};

Discovery::Discovery(Tools tools, std::function<void()> changed)
    : tools_(std::move(tools)), changed_(std::move(changed)) {}

Discovery::~Discovery() {
  *alive_ = false;
}

Discovery::Source* Discovery::find(std::string_view upstream) const noexcept {
  for (const auto& source : sources_) {
    if (source->upstream == upstream) return source.get();
  }
  return nullptr;
}

const Discovery::Status* Discovery::status(std::string_view upstream) const noexcept {
  const Source* const source = find(upstream);
  return source == nullptr ? nullptr : &source->status;
}

// ---- A configuration

void Discovery::prepare(const config::Config& next,
                        std::function<void(std::vector<std::string>)> done) {
  auto preparing = std::make_shared<Preparing>();
  preparing->done = std::move(done);
  for (const config::Upstream& upstream : next.upstreams) {
    if (!upstream.discovery || upstream.discovery->by_file()) continue;
    const Source* const known = find(upstream.name);
    if (known != nullptr && known->where == *upstream.discovery) continue;
    auto source = std::make_unique<Source>();
    source->upstream = upstream.name;
    source->where = *upstream.discovery;
    preparing->sources.push_back(std::move(source));
  }
  const auto finish = [this, preparing] {
    prepared_ = std::move(preparing->sources);
    preparing->done(std::move(preparing->errors));
  };
  preparing->left = preparing->sources.size();
  if (preparing->left == 0) return finish();
  for (std::size_t i = 0; i < preparing->sources.size(); ++i) {
    const config::Discovery& where = preparing->sources[i]->where;
    tools_.resolve(
        where.host,
        where.port,
        [alive = alive_, preparing, finish, i](const Result<std::vector<SocketAddress>>& found) {
          if (!*alive) return;
          Source& source = *preparing->sources[i];
          if (auto endpoints = endpoints_of(found)) {
            source.endpoints = std::move(*endpoints);
          } else {
            source.status.error = unresolved(source.where, endpoints.error());
            ++source.status.failures;
            preparing->errors.push_back("upstreams." + source.upstream +
                                        ".endpoints: " + *source.status.error);
          }
          if (--preparing->left == 0) finish();
        });
  }
}

void Discovery::follow(config::Config& config) {
  std::vector<std::unique_ptr<Source>> old = std::exchange(sources_, {});
  const auto taken_from = [](std::vector<std::unique_ptr<Source>>& some,
                             const config::Upstream& upstream) -> std::unique_ptr<Source> {
    for (auto& source : some) {
      const bool same = source != nullptr && source->upstream == upstream.name &&
                        source->where == *upstream.discovery;
      if (same) return std::move(source);
    }
    return nullptr;
  };
  for (const config::Upstream& upstream : config.upstreams) {
    if (!upstream.discovery) continue;
    std::unique_ptr<Source> source = taken_from(old, upstream);
    if (source == nullptr) source = taken_from(prepared_, upstream);
    if (source == nullptr) source = std::make_unique<Source>();
    source->upstream = upstream.name;
    source->where = *upstream.discovery;
    source->status.source = source_text(source->where);
    if (!upstream.endpoints.empty()) source->endpoints = upstream.endpoints;
    const Duration wait = source->endpoints.empty() ? kRetryEmpty : source->where.refresh;
    if (source->ask_at == Monotonic::min()) source->ask_at = tools_.clock->now() + wait;
    sources_.push_back(std::move(source));
  }
  prepared_.clear();
  fill(config);
}

void Discovery::fill(config::Config& config) const {
  for (config::Upstream& upstream : config.upstreams) {
    if (const Source* const source = find(upstream.name)) upstream.endpoints = source->endpoints;
  }
}

// ---- Looking

void Discovery::look(const config::Config& config) {
  const Monotonic now = tools_.clock->now();
  bool any = false;
  for (const auto& source : sources_) {
    if (source->where.by_file()) {
      any = read(*source, config) || any;
    } else if (!source->asking && source->ask_at <= now) {
      look_up(*source);
    }
  }
  if (any) changed_();
}

// All of it each time, because neither time stamp nor size tells every change; it is small. Returns
// whether the endpoints have changed.
bool Discovery::read(Source& source, const config::Config& config) {
  auto text = tools_.read_file(source.where.file);
  if (!text) {
    source.text_known = false;
    fail(source, source.where.file + ": " + sentence(text.error()));
    return false;
  }
  if (source.text_known && source.text == *text) return false;
  source.text = std::move(*text);
  source.text_known = true;
  auto loaded =
      config::load_endpoints(source.where.file, source.text, config.listeners, config.admin);
  if (loaded.endpoints) return take(source, std::move(*loaded.endpoints));
  fail(source, first_error(loaded.problems));
  return false;
}

void Discovery::look_up(Source& source) {
  source.asking = true;
  tools_.resolve(source.where.host,
                 source.where.port,
                 [this, alive = alive_, upstream = source.upstream, where = source.where](
                     const Result<std::vector<SocketAddress>>& found) {
                   if (*alive) looked_up(upstream, where, found);
                 });
}

void Discovery::looked_up(const std::string& upstream,
                          const config::Discovery& where,
                          const Result<std::vector<SocketAddress>>& found) {
  Source* const source = find(upstream);
  // A reload has taken it out, or made another one of it, since.
  if (source == nullptr || !(source->where == where) || !source->asking) return;
  source->asking = false;
  auto endpoints = endpoints_of(found);
  bool any = false;
  if (endpoints) {
    any = take(*source, std::move(*endpoints));
  } else {
    fail(*source, unresolved(where, endpoints.error()));
  }
  const Duration wait = source->endpoints.empty() ? kRetryEmpty : where.refresh;
  source->ask_at = tools_.clock->now() + std::min(wait, where.refresh);
  if (any) changed_();
}

// What was found is good. Returns whether it is something new.
bool Discovery::take(Source& source, Endpoints found) {
  source.status.error.reset();
  if (found == source.endpoints) return false;
  ++source.status.changes;
  tools_.log->info(log_event::kEndpointsChanged,
                   "upstream " + source.upstream + " has " + std::to_string(found.size()) +
                       (found.size() == 1 ? " endpoint now" : " endpoints now"),
                   {{"upstream", source.upstream},
                    {"source", source.status.source},
                    {"endpoints", found.size()},
                    {"before", source.endpoints.size()}});
  source.endpoints = std::move(found);
  return true;
}

void Discovery::fail(Source& source, const std::string& why) {
  if (source.status.error == why) {
    // A file that is gone is no news each time; a name that was asked for again is counted.
    if (!source.where.by_file()) ++source.status.failures;
    return;
  }
  ++source.status.failures;
  source.status.error = why;
  tools_.log->warn(log_event::kDiscoveryFailed,
                   "upstream " + source.upstream + " keeps its endpoints: " + why,
                   {{"upstream", source.upstream},
                    {"source", source.status.source},
                    {"endpoints", source.endpoints.size()}});
}

}  // namespace canaryd::control
