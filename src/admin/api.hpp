// The admin API without its sockets: a request in, an answer out, now or when the backend is done.
//
// Order of checks: where the request comes from, path (404), method (405), content type (415),
// conditions and body (400), and only then the backend. A streaming answer is an EventStream; at
// most so many are open at a time (503). Control thread only.
#pragma once

#include "admin/event_stream.hpp"
#include "admin/idempotency.hpp"
#include "admin/message.hpp"
#include "canaryd/control/backend.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace canaryd::admin {

class Api {
 public:
  using Done = std::function<void(Response)>;

  struct Bounds {
    std::size_t answers = 1024;  // Remembered, of Idempotency-Key.
    std::size_t streams = 16;
    std::size_t stream_bytes = std::size_t{512} * 1024;  // Queued for one reader.
  };
  Api(control::Backend& backend, const Bounds& bounds);

  // done is called once, inside or later; it may be called after this object is gone.
  void handle(const Request& request, Done done);

 private:
  struct Route;
  struct Match {
    const Route* route = nullptr;
    std::string_view rollout;
  };
  static const Route kRoutes[];
  [[nodiscard]] static Match find(std::string_view path);

  void dispatch(const Match& match, const Request& request, Done done);
  // Runs work under the Idempotency-Key of the request, if it has one.
  void once(const Request& request, const Done& done, const std::function<void(Done)>& work);

  void livez(const Request& request, const Match& match, const Done& done);
  void readyz(const Request& request, const Match& match, const Done& done);
  void metrics(const Request& request, const Match& match, const Done& done);
  void rollouts(const Request& request, const Match& match, const Done& done);
  void rollout(const Request& request, const Match& match, const Done& done);
  void history(const Request& request, const Match& match, const Done& done);
  void feedback(const Request& request, const Match& match, const Done& done);
  void comments(const Request& request, const Match& match, const Done& done);
  void verification(const Request& request, const Match& match, const Done& done);
  void listeners(const Request& request, const Match& match, const Done& done);
  void upstreams(const Request& request, const Match& match, const Done& done);
  void routes(const Request& request, const Match& match, const Done& done);
  void migration(const Request& request, const Match& match, const Done& done);
  void explain(const Request& request, const Match& match, const Done& done);
  void events(const Request& request, const Match& match, const Done& done);
  void tap(const Request& request, const Match& match, const Done& done);
  void config(const Request& request, const Match& match, const Done& done);
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
  const Bounds bounds_;
  std::vector<std::weak_ptr<EventStream>> streams_;
  std::shared_ptr<IdempotencyMemory> memory_;
};

}  // namespace canaryd::admin
