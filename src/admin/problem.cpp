#include "admin/problem.hpp"

#include "admin/json.hpp"

namespace canaryd::admin {
namespace {

std::string_view title(int status) noexcept {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Internal Server Error";
  }
}

}  // namespace

Response to_response(const Problem& problem, std::string_view path, boost::json::object extra) {
  boost::json::object body;
  body["type"] = "urn:canaryd:problem:" + std::string(problem.kind);
  body["title"] = title(problem.status);
  body["status"] = problem.status;
  body["detail"] = problem.detail;
  body["instance"] = path;
  for (auto& member : extra) body[member.key()] = std::move(member.value());
  Response response;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  response.body = to_text(body);
  return response;
}

Response too_many(std::string_view detail, std::string_view path) {
  Response response = to_response({429, "rate-limited", std::string(detail)}, path);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response invalid(const Request& request, const Error& error) {
  return to_response({400, "bad-request", error.context}, request.path());
}

}  // namespace canaryd::admin
