#include "proxy/parity_read.hpp"

#include "canaryd/http/chars.hpp"

#include <string>
#include <utility>

namespace canaryd::proxy {
namespace {

// Of all fields of that name, in their order.
std::string values_of(const http::FieldList& fields, std::string_view name) {
  std::string values;
  for (const http::Field& field : fields) {
    if (!http::equals_ignore_case(field.name, name)) continue;
    if (!values.empty()) values += ", ";
    values += field.value;
  }
  return values;
}

}  // namespace

PendingRead::PendingRead(PendingReads& all,
                         const ParityPolicy& policy,
                         std::shared_ptr<stats::ParityQueue> queue)
    : all_(all), counts_(policy.counts), queue_(std::move(queue)) {
  read_->watch = policy.watch;
  ++all_.count_;
}

PendingRead::~PendingRead() {
  --all_.count_;
  if (given_up_) return;
  if (!read_->stable.answered) {
    counts_->count_unanswered();
  } else if (!queue_->push(std::move(read_))) {
    counts_->count_busy();
  }
}

void PendingRead::too_busy() noexcept {
  if (!given_up_) counts_->count_busy();
  given_up_ = true;
}

void AnswerKeeper::head(const http::ResponseHead& head) {
  if (place_ == nullptr) return;
  place_->status = head.status;
  place_->content_type = head.fields.value(http::FieldId::kContentType);
  for (const std::string& name : policy_->headers) {
    place_->headers.push_back(values_of(head.fields, name));
  }
}

void AnswerKeeper::data(std::string_view run) {
  if (place_ == nullptr || !place_->whole) return;
  if (run.size() > policy_->body_bytes_max - place_->body.size()) {
    place_->whole = false;
    place_->body = std::string();
    return;
  }
  place_->body += run;
}

void AnswerKeeper::end(bool answered) noexcept {
  if (place_ != nullptr) place_->answered = answered;
}

void AnswerKeeper::give_up() noexcept {
  if (read_ != nullptr) read_->give_up();
}

void AnswerKeeper::too_busy() noexcept {
  if (read_ != nullptr) read_->too_busy();
}

}  // namespace canaryd::proxy
