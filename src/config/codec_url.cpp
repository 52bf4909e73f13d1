#include "config/codec.hpp"

#include <utility>

namespace canaryd::config {

Codec<HttpUrl> http_url() {
  Codec<HttpUrl> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = "URL: http://HOST:PORT/PATH";
  codec.shape.pattern = "^http://[!-~]+$|\\$\\{";
  codec.read = [](Reader& in, const Node& node, HttpUrl& out) {
    if (!is_text(in, node, "a URL such as http://127.0.0.1:9090")) return false;
    auto url = parse_http_url(node.text);
    if (!url && url.error().code == ErrorCode::kUnsupported) {
      return in.error(node, url.error().context, "use http:// and a TLS proxy beside canaryd");
    }
    if (!url) return in.error(node, url.error().context + ", got " + quoted(masked_url(node.text)));
    out = std::move(*url);
    return true;
  };
  codec.write = [](const HttpUrl& url, const Names& /*names*/) {
    Node node = Node::string(url.to_string());
    node.secret = Node::Secret::kUrl;
    return std::optional(std::move(node));
  };
  return codec;
}

}  // namespace canaryd::config
