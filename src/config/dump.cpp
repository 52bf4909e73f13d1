#include "config/dump.hpp"

#include "canaryd/base/url.hpp"
#include "canaryd/config/schema.hpp"
#include "config/fields.hpp"
#include "config/json_text.hpp"
#include "config/tree_edit.hpp"

namespace canaryd::config {
namespace {

void escape_all(Node& node) {
  if (node.kind == Node::Kind::kScalar) node.text = escape_variables(node.text);
  for (Node& item : node.items) escape_all(item);
  for (Node::Entry& entry : node.entries) escape_all(entry.value);
}

}  // namespace

Node to_tree(const Config& config) {
  Names names;
  for (const Upstream& upstream : config.upstreams) names.upstreams.push_back(upstream.name);
  for (const Rollout& rollout : config.rollouts) names.rollouts.push_back(rollout.name);
  return root_section().write(config, names);
}

void mask_secrets(Node& node) {
  if (node.secret == Node::Secret::kUrl) node.text = masked_url(node.text);
  if (node.secret == Node::Secret::kAll) node.text = kSecretMask;
  for (Node& item : node.items) mask_secrets(item);
  for (Node::Entry& entry : node.entries) mask_secrets(entry.value);
}

std::string render_dump(const Config& config) {
  Node tree = to_tree(config);
  escape_all(tree);
  return render_yaml(tree);
}

std::string render_masked_dump(const Config& config) {
  Node tree = to_tree(config);
  mask_secrets(tree);
  escape_all(tree);
  return render_yaml(tree);
}

std::string render_config_json(const Config& config) {
  std::string out;
  append_json(out, to_tree(config), -1);
  return out;
}

}  // namespace canaryd::config
