#include "canaryd/config/endpoints_file.hpp"

#include "canaryd/config/load.hpp"
#include "canaryd/config/yaml_tree.hpp"
#include "config/fields.hpp"
#include "config/reader.hpp"
#include "config/report.hpp"
#include "config/validate.hpp"

#include <utility>

namespace canaryd::config {
namespace {

struct EndpointsFile {
  std::vector<Endpoint> endpoints;
};

const Section<EndpointsFile>& file_section() {
  static const auto made = [] {
    Section<EndpointsFile> s("Endpoints file");
    s.require("endpoints", &EndpointsFile::endpoints, endpoint_list(), "Where the version runs.");
    return s;
  }();
  return made;
}

}  // namespace

EndpointsResult load_endpoints(const std::string& file_name,
                               const std::string& text,
                               const std::vector<Listener>& listeners,
                               const Admin& admin) {
  LoadInput input;
  input.file_name = file_name;
  input.text = text;
  Report report(input);
  Tree tree = parse_yaml(input.text);
  for (TreeProblem& problem : tree.problems) {
    report.add(
        Severity::kError, problem.place, std::move(problem.message), std::move(problem.hint));
  }
  EndpointsFile file;
  if (tree.root) {
    Reader reader(report, {});
    file_section().read(reader, *tree.root, file);
    check_endpoints(file.endpoints, "endpoints", {listeners, admin}, reader);
  }
  EndpointsResult result;
  result.problems = report.take();
  if (count_errors(result.problems) == 0) result.endpoints = std::move(file.endpoints);
  return result;
}

}  // namespace canaryd::config
