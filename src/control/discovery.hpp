// Where upstreams run that are not listed: files that are read a few times a second, and names that
// are looked up now and then.
//
// What is found stays until something else is found: a file that is gone or wrong, a name that
// cannot be resolved or has no addresses, changes nothing. Each failure is logged once, until it is
// another one or over. The order in which addresses come means nothing.
//
// Thread rule: the control thread, all of it; look-ups run elsewhere (Resolve). Bounds: endpoints
// of an upstream as in its configuration (config::kEndpointsMax), one look-up of a name at a time.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/control/controller.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::control {

class Discovery {
 public:
  struct Tools {
    const Clock* clock = nullptr;
    Log* log = nullptr;
    ReadFile read_file;
    Resolve resolve;
  };

  // One upstream's, for people.
  struct Status {
    std::string source;  // "file endpoints.yaml", "dns shop.internal:8080".
    std::optional<std::string> error;
    std::uint64_t changes = 0;
    std::uint64_t failures = 0;
  };

  // `changed`: endpoints() differ from what they were; never called from inside follow().
  Discovery(Tools tools, std::function<void()> changed);
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;
  ~Discovery();

  // Looks up the names of a configuration that are not followed yet, so that follow() knows their
  // addresses. `done` gets a sentence for each that could not be resolved.
  void prepare(const config::Config& next, std::function<void(std::vector<std::string>)> done);
  // From now on these are the sources. Gives the configuration the endpoints that are known; those
  // of files are in it already, as they were read with it.
  void follow(config::Config& config);
  // Gives them again, after changed().
  void fill(config::Config& config) const;
  // Several times a second: reads the files, asks for the names whose time has come.
  void look(const config::Config& config);

  // Null: this upstream's endpoints are listed.
  [[nodiscard]] const Status* status(std::string_view upstream) const noexcept;

 private:
  struct Source;
  struct Preparing;
  using Endpoints = std::vector<config::Endpoint>;

  [[nodiscard]] Source* find(std::string_view upstream) const noexcept;
  [[nodiscard]] bool read(Source& source, const config::Config& config);
  void look_up(Source& source);
  void looked_up(const std::string& upstream,
                 const config::Discovery& where,
                 const Result<std::vector<SocketAddress>>& found);
  [[nodiscard]] bool take(Source& source, Endpoints found);
  void fail(Source& source, const std::string& why);

  Tools tools_;
  std::function<void()> changed_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<std::unique_ptr<Source>> prepared_;
  // Answers may come after we are gone; they look at this first.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// The addresses as endpoints: each once, in their order. An error if there is none, or too many.
[[nodiscard]] Result<std::vector<config::Endpoint>> endpoints_of(
    const Result<std::vector<SocketAddress>>& found);

}  // namespace canaryd::control
