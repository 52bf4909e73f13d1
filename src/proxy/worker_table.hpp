// A snapshot as one worker uses it: upstreams resolved to their pools. Immutable; who uses it pins
// it by a copy of the pointer, which costs no atomic operation, so an old one dies on its worker
// with the last request.
#pragma once

#include "canaryd/proxy/snapshot.hpp"
#include "canaryd/upstream/upstream.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <vector>

namespace canaryd::proxy {

struct WorkerTable {
  WorkerSnapshot snapshot;
  std::vector<boost::local_shared_ptr<upstream::Upstream>> upstreams;  // Index: UpstreamId.
};
using TablePointer = boost::local_shared_ptr<const WorkerTable>;

}  // namespace canaryd::proxy
