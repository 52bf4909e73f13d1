// The admin API without its sockets: a request in, an answer out, now or when the backend is done.
//
// Order of checks: where the request comes from, path (404), method (405), who asks (401, 403), how
// often (429), content type (415, 406), conditions and body (400), and only then the backend. A
// streaming answer is an EventStream; at most so many are open at a time (503). Control thread
// only.
#pragma once

#include "admin/access.hpp"
#include "admin/event_stream.hpp"
#include "admin/idempotency.hpp"
#include "admin/message.hpp"
#include "admin/rate_limiter.hpp"
#include "canaryd/admin/server.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/control/backend.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::admin {

class Api {
 public:
  using Done = std::function<void(Response)>;

  Api(control::Backend& backend, const Options& options);

  // Somebody on another machine can connect.
  void listen_beyond_this_machine() {
    is_local_ = false;
    is_open_ = false;
  }
  // Everybody on this machine can, so that nobody may do anything without a token.
  void listen_to_everybody() { is_open_ = false; }

  // done is called once, inside or later; it may be called after this object is gone. As whom the
  // caller is known: nobody, if he was refused before it came to that.
  Role handle(Request request, Done done);

  // One way to call it, as openapi.cpp describes it.
  struct Operation {
    std::string path;  // "/api/v1/rollouts/{name}/pause".
    bool is_change;
    Role role;
  };
  [[nodiscard]] static std::vector<Operation> operations();

 private:
  struct Match;
  struct Route {
    std::string_view path;  // For those below a rollout: what follows its name, without the slash.
    bool below_rollout;
    bool is_change;  // POST; else GET and HEAD.
    void (Api::*run)(const Request&, const Match&, const Done&);
  };
  struct Match {
    const Route* route = nullptr;
    std::string_view rollout;
  };
  static const Route kRoutes[];
  [[nodiscard]] static Match find(std::string_view path);

  [[nodiscard]] static Role role_of(const Route& route);
  [[nodiscard]] static std::string_view type_of(const Route& route);
  // Whether to answer at all; what to answer instead.
  [[nodiscard]] std::optional<Response> refuse(const Match& match, Request& request);
  [[nodiscard]] std::optional<Response> admit(const Match& match, Request& request);
  // The answer to who may not do that, 401 or 403; tells of him.
  [[nodiscard]] Response turn_away(const Problem& problem, const Request& request);
  [[nodiscard]] bool is_too_often(const Route& route);
  [[nodiscard]] Done recorded(const Match& match, const Request& request, Done done) const;
  // Runs work under the Idempotency-Key of the request, if it has one.
  void once(const Request& request, const Done& done, const std::function<void(Done)>& work);

  void livez(const Request& request, const Match& match, const Done& done);
  void readyz(const Request& request, const Match& match, const Done& done);
  void metrics(const Request& request, const Match& match, const Done& done);
  void rollouts(const Request& request, const Match& match, const Done& done);
  void rollout(const Request& request, const Match& match, const Done& done);
  void analysis(const Request& request, const Match& match, const Done& done);
  void series(const Request& request, const Match& match, const Done& done);
  void history(const Request& request, const Match& match, const Done& done);
  void feedback(const Request& request, const Match& match, const Done& done);
  void comments(const Request& request, const Match& match, const Done& done);
  void verification(const Request& request, const Match& match, const Done& done);
  void history_verification(const Request& request, const Match& match, const Done& done);
  void listeners(const Request& request, const Match& match, const Done& done);
  void upstreams(const Request& request, const Match& match, const Done& done);
  void routes(const Request& request, const Match& match, const Done& done);
  void migration(const Request& request, const Match& match, const Done& done);
  void explain(const Request& request, const Match& match, const Done& done);
  void events(const Request& request, const Match& match, const Done& done);
  void tap(const Request& request, const Match& match, const Done& done);
  void config(const Request& request, const Match& match, const Done& done);
  void openapi(const Request& request, const Match& match, const Done& done);
  void schema(const Request& request, const Match& match, const Done& done);
  void whoami(const Request& request, const Match& match, const Done& done);
  void page(const Request& request, const Match& match, const Done& done);
  void build(const Request& request, const Match& match, const Done& done);
  void act(const Request& request, const Match& match, const Done& done);
  void reload(const Request& request, const Match& match, const Done& done);
  void drain(const Request& request, const Match& match, const Done& done);
  void log_level(const Request& request, const Match& match, const Done& done);

  // Answers with the events of what subscribe opens.
  using Subscribe =
      std::function<Result<std::unique_ptr<control::Subscription>>(control::EventSink)>;
  void stream(const Request& request, const Done& done, const Subscribe& subscribe);

  control::Backend& backend_;
  const Options options_;
  const SystemClock clock_{};
  bool is_local_ = true;
  bool is_open_ = true;  // Without tokens whoever can connect may do everything.
  RateLimiter reads_;
  RateLimiter changes_;
  RateLimiter refusals_;
  std::vector<std::weak_ptr<EventStream>> streams_;
  std::shared_ptr<IdempotencyMemory> memory_;
};

}  // namespace canaryd::admin
