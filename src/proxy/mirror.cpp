#include "proxy/mirror.hpp"

#include "proxy/mirror_exchange.hpp"

#include <utility>

namespace canaryd::proxy {

Mirrors::Mirrors(net::Runtime& runtime)
    : runtime_(runtime), bytes_({1, kBytesMax, 0}), group_(runtime) {}

void Mirrors::send(MirrorOrder order) {
  auto exchange = std::make_unique<MirrorExchange>(runtime_, group_, bytes_, std::move(order));
  auto task = MirrorExchange::run(std::move(exchange));
  group_.spawn(std::move(task));
}

}  // namespace canaryd::proxy
