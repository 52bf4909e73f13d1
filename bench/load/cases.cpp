#include "cases.hpp"

namespace canaryd::bench {
namespace {

constexpr std::size_t kKiB = 1024;

// What Firefox sends, with the cookies of a shop and the sticky field.
constexpr std::string_view kBrowserFields =
    "Host: shop.bench.test\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.8,de;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://shop.bench.test/catalogue/items?page=7\r\n"
    "Cookie: session=6fd0a1c58d3b4e0f9a7722b1c0de9911; theme=dark; consent=yes-all-20250101; "
    "basket=eyJpdGVtcyI6WzEsMiwzXSwidG90YWwiOjQyfQ; canaryd_id=0f8fad5b7d9c46a9\r\n"
    "Cache-Control: no-cache\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "X-User-Id: user-20250117-000042\r\n";
constexpr std::string_view kPlainAnswer =
    "HTTP/1.1 200 OK\r\n"
    "Server: bench\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Cache-Control: private, max-age=0\r\n";
constexpr std::string_view kBrowserAnswer =
    "HTTP/1.1 200 OK\r\n"
    "Server: bench\r\n"
    "Date: Mon, 06 Jan 2025 10:00:00 GMT\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Cache-Control: private, no-store, max-age=0\r\n"
    "ETag: \"5f0c-1a2b3c4d5e6f7081\"\r\n"
    "Vary: Accept-Encoding, Cookie\r\n"
    "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: SAMEORIGIN\r\n"
    "Referrer-Policy: strict-origin-when-cross-origin\r\n"
    "Content-Security-Policy: default-src 'self'; img-src 'self' data:\r\n"
    "Set-Cookie: seen=1; Path=/; HttpOnly; SameSite=Lax\r\n";

std::string with_length(std::string_view head, std::size_t bytes) {
  std::string text(head);
  return text.append("Content-Length: ").append(std::to_string(bytes)).append("\r\n\r\n");
}

Case get(std::string_view name, char letter, std::size_t bytes, std::string_view fields = {}) {
  Case made{.name = name, .letter = letter, .response_body = bytes};
  made.request = std::string("GET /") + letter + " HTTP/1.1\r\nHost: bench.test\r\n";
  made.request.append(fields).append("\r\n");
  made.response = with_length(kPlainAnswer, bytes).append(bytes, letter);
  return made;
}

Case browser(std::string_view name, char letter, std::size_t bytes) {
  Case made{.name = name, .letter = letter, .response_body = bytes};
  made.request = std::string("GET /") + letter +
                 "/catalogue/items/4711?colour=green&size=42&sort=price HTTP/1.1\r\n";
  made.request.append(kBrowserFields).append("\r\n");
  made.response = with_length(kBrowserAnswer, bytes).append(bytes, letter);
  return made;
}

Case post(std::string_view name, char letter, std::size_t bytes) {
  Case made{.name = name, .letter = letter, .request_body = bytes, .response_body = 100};
  const std::string head = std::string("POST /") + letter + " HTTP/1.1\r\nHost: bench.test\r\n";
  made.request = with_length(head, bytes).append(bytes, letter);
  made.response = with_length(kPlainAnswer, made.response_body).append(made.response_body, letter);
  return made;
}

std::vector<Case> make_cases() {
  std::vector<Case> cases{get("get-100", 'a', 100),
                          browser("browser-1k", 'b', kKiB),
                          get("get-16k", 'c', 16 * kKiB),
                          get("get-1m", 'd', kKiB * kKiB),
                          post("post-1k", 'e', kKiB),
                          post("post-64k", 'f', 64 * kKiB),
                          get("connect", 'g', 100, "Connection: close\r\n")};
  cases.back().closes = true;
  return cases;
}

}  // namespace

const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases = make_cases();
  return cases;
}

const Case* find_case(std::string_view name) {
  for (const Case& each : all_cases()) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

const Case* case_of_request(std::string_view bytes) {
  constexpr std::size_t kGetLetter = 5;
  constexpr std::size_t kPostLetter = 6;
  if (bytes.size() <= kPostLetter) return nullptr;
  const char letter = bytes[bytes.front() == 'P' ? kPostLetter : kGetLetter];
  const std::vector<Case>& cases = all_cases();
  const std::size_t index = static_cast<std::size_t>(letter - 'a');
  return index < cases.size() ? &cases[index] : nullptr;
}

}  // namespace canaryd::bench
