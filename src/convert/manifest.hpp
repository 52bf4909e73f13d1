// Kubernetes manifests: the documents of a file, and sections of them that know which of their keys
// have been looked at.
#pragma once

#include "canaryd/config/yaml_tree.hpp"
#include "convert/draft.hpp"

#include <functional>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace canaryd::convert {

inline constexpr std::size_t kDocumentsMax = 100;

struct Manifest {
  std::string kind;
  config::Node root;  // A map; its places are those of the whole file.
};

// The documents, and of a list its items. Text that is no YAML is an error; so is a file without a
// document. With an error there is none of them.
[[nodiscard]] std::vector<Manifest> read_manifests(Draft& draft, std::string_view text);

// Those whose kind ends with this, by metadata.name; of equal names the first.
using ManifestsByName = std::map<std::string, const Manifest*, std::less<>>;
[[nodiscard]] ManifestsByName by_name(const std::vector<Manifest>& manifests,
                                      std::string_view kind);

// Of exactly this kind and name, in this name space; where the one or the other has none it is as
// good as the same. Null: there is none.
[[nodiscard]] const Manifest* find_manifest(const std::vector<Manifest>& manifests,
                                            std::string_view kind,
                                            std::string_view name_space,
                                            std::string_view name);

// A map of the file, or nothing at all: then everything is absent, and its line is that of the map
// where it would be.
class Part {
 public:
  Part(Draft& draft, const config::Node* node, std::string path);

  [[nodiscard]] bool exists() const noexcept { return node_ != nullptr; }
  [[nodiscard]] std::uint32_t line() const noexcept { return line_; }
  [[nodiscard]] std::uint32_t line_of(std::string_view key) const;

  [[nodiscard]] bool has(std::string_view key) const;
  // A scalar; a list or map in its place is an error.
  [[nodiscard]] std::string text(const std::string& key);
  [[nodiscard]] Part part(const std::string& key);
  // The items of a list, each a Part; those that are no maps are errors.
  [[nodiscard]] std::vector<Part> items(const std::string& key);
  // The items of a list of scalars.
  [[nodiscard]] std::vector<std::pair<std::uint32_t, std::string>> words(const std::string& key);
  // A length of time; a plain number is of seconds.
  [[nodiscard]] std::optional<Duration> duration(const std::string& key);

  // These keys are not carried over: a warning for each that is there, with the reason.
  void leave_out(std::initializer_list<const char*> keys, const std::string& why);
  // These say nothing that would be missed.
  void pass_over(std::initializer_list<const char*> keys);
  // A warning for each key that nobody has asked for.
  void end();

 private:
  [[nodiscard]] const config::Node* take(const std::string& key);
  [[nodiscard]] std::string below(const std::string& key) const;

  Draft* draft_;
  const config::Node* node_ = nullptr;
  std::string path_;
  std::uint32_t line_ = 0;
  std::set<std::string, std::less<>> seen_;
};

// Reads an object that is a rollout into the draft: what all objects have, and by read_spec what is
// its own, which is called once the name and the name space are there.
void read_rollout(Draft& draft,
                  const config::Node& root,
                  DraftRollout& rollout,
                  std::string& name_space,
                  const std::function<void(Part& spec)>& read_spec);

// NAME.NAMESPACE.svc:PORT, where NAMESPACE may be empty.
[[nodiscard]] std::string service_address(const std::string& name,
                                          const std::string& name_space,
                                          const std::string& port);

// Puts values in place of "{{ name }}". False: one of the names is not among them.
using Values = std::map<std::string, std::string, std::less<>>;
[[nodiscard]] bool put_in(std::string& text, const Values& values);

// "result[0] >= 0.95" and the like; nothing if it is anything else.
struct Condition {
  bool below = false;      // The bound is a max.
  bool exclusive = false;  // The number itself is bad.
  std::string number;      // As it is written.
  std::string bound;       // The last value that is good.
};
[[nodiscard]] std::optional<Condition> read_condition(std::string_view text);

// A finite number in the form of the configuration.
[[nodiscard]] std::optional<std::string> number_from(std::string_view text);

}  // namespace canaryd::convert
