#include "canaryd/config/named_files.hpp"

#include "canaryd/config/endpoints_file.hpp"

#include <utility>

namespace canaryd::config {
namespace {

Problem problem_of(const std::string& file, const std::string& message) {
  Problem problem;
  problem.file = file;
  problem.message = message;
  return problem;
}

void read_endpoints(LoadResult& loaded, const ReadNamedFile& read) {
  for (Upstream& upstream : loaded.config->upstreams) {
    if (!upstream.discovery || !upstream.discovery->by_file()) continue;
    const std::string& name = upstream.discovery->file;
    auto text = read(name);
    if (!text) {
      loaded.problems.push_back(problem_of(name,
                                           "cannot be read, for upstreams." + upstream.name +
                                               ".endpoints: " + text.error().context));
      continue;
    }
    auto endpoints = load_endpoints(name, *text, loaded.config->listeners, loaded.config->admin);
    for (Problem& problem : endpoints.problems) loaded.problems.push_back(std::move(problem));
    if (endpoints.endpoints) upstream.endpoints = std::move(*endpoints.endpoints);
  }
}

// They are read again with each question; here only so that a wrong name is found before that.
void look_at_secrets(LoadResult& loaded, const ReadNamedFile& read) {
  for (const Rollout& rollout : loaded.config->rollouts) {
    for (const Query& query : rollout.queries) {
      if (!query.authorization_file) continue;
      const auto text = read(*query.authorization_file);
      if (text) continue;
      loaded.problems.push_back(problem_of(*query.authorization_file,
                                           "cannot be read, for query " + query.name +
                                               " of rollouts." + rollout.name + ": " +
                                               text.error().context));
    }
  }
}

}  // namespace

void read_named_files(LoadResult& loaded, const ReadNamedFile& read) {
  if (!loaded.config) return;
  read_endpoints(loaded, read);
  look_at_secrets(loaded, read);
  if (count_errors(loaded.problems) > 0) loaded.config.reset();
}

}  // namespace canaryd::config
