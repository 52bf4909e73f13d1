#include "canaryd/config/schema.hpp"

#include "canaryd/base/text.hpp"
#include "config/fields.hpp"
#include "config/json_text.hpp"

#include <charconv>
#include <map>

namespace canaryd::config {
namespace {

Node number_node(double value) {
  std::string text;
  append_json_number(text, value);
  return Node::literal(text);
}

// Sections become definitions, each once, under a name made from the title: "listener_limits".
class SchemaWriter {
 public:
  Node write(const SectionInfo& root) {
    Node schema = Node::map();
    schema.add("$schema", Node::string("https://json-schema.org/draft/2020-12/schema"));
    schema.add("title", Node::string("canaryd configuration, version 1"));
    Node body = section(root);
    for (Node::Entry& entry : body.entries) schema.add(entry.key, std::move(entry.value));
    Node definitions = Node::map();
    for (auto& [name, definition] : definitions_) definitions.add(name, std::move(definition));
    schema.add("$defs", std::move(definitions));
    return schema;
  }

 private:
  Node section(const SectionInfo& info, bool partial = false) {
    Node node = Node::map();
    node.add("type", Node::string("object"));
    node.add("additionalProperties", Node::literal("false"));
    Node required = Node::list();
    Node properties = Node::map();
    for (const FieldInfo& field : info.fields) {
      if (field.required && !partial)
        required.items.push_back(Node::string(std::string(field.key)));
      // The one section that may be incomplete: see `defaults` in fields.cpp.
      const bool template_of_rollouts = info.title == "Defaults";
      Node property = shape(field.shape, template_of_rollouts);
      property.add("description", Node::string(std::string(field.help)));
      if (field.default_value) property.add("default", *field.default_value);
      properties.add(std::string(field.key), std::move(property));
    }
    if (!required.items.empty()) node.add("required", std::move(required));
    node.add("properties", std::move(properties));
    return node;
  }

  Node reference(const SectionInfo& info, bool partial) {
    std::string name = partial ? "partial_" : "";
    for (const char c : info.title) {
      name += c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (!definitions_.contains(name)) {
      definitions_[name];  // Taken, should a section ever contain itself.
      definitions_[name] = section(info, partial);
    }
    Node node = Node::map();
    node.add("$ref", Node::string("#/$defs/" + name));
    return node;
  }

  Node shape(const Shape& of, bool partial = false) {
    Node node = Node::map();
    switch (of.kind) {
      case Shape::Kind::kBoolean:
        node.add("type", Node::string("boolean"));
        break;
      case Shape::Kind::kInteger:
      case Shape::Kind::kNumber:
        node.add("type", Node::string(of.kind == Shape::Kind::kInteger ? "integer" : "number"));
        if (of.minimum) node.add("minimum", number_node(*of.minimum));
        if (of.maximum) node.add("maximum", number_node(*of.maximum));
        break;
      case Shape::Kind::kText:
        node.add("type", Node::string("string"));
        if (!of.pattern.empty()) node.add("pattern", Node::string(of.pattern));
        break;
      case Shape::Kind::kChoice: {
        Node words = Node::list();
        for (const std::string_view word : of.words)
          words.items.push_back(Node::string(std::string(word)));
        node.add("enum", std::move(words));
        break;
      }
      case Shape::Kind::kList:
        node.add("type", Node::string("array"));
        if (of.least_items > 0)
          node.add("minItems", number_node(static_cast<double>(of.least_items)));
        node.add("items", shape(*of.element));
        break;
      case Shape::Kind::kNamed: {
        Node names = Node::map();
        const std::string pattern = of.pattern.empty() ? std::string(kNamePattern) : of.pattern;
        names.add("pattern", Node::string("^" + pattern + "$"));
        node.add("type", Node::string("object"));
        if (of.least_items > 0)
          node.add("minProperties", number_node(static_cast<double>(of.least_items)));
        node.add("propertyNames", std::move(names));
        node.add("additionalProperties", shape(*of.element));
        break;
      }
      case Shape::Kind::kSection:
        return reference(*of.section, partial);
      case Shape::Kind::kEither: {
        Node any = Node::list();
        for (const Shape& alternative : of.alternatives) any.items.push_back(shape(alternative));
        node.add("anyOf", std::move(any));
        break;
      }
    }
    return node;
  }

  std::map<std::string, Node> definitions_;
};

}  // namespace

std::string render_schema() {
  std::string out;
  append_json(out, SchemaWriter().write(root_section().info()), 0);
  return out + "\n";
}

}  // namespace canaryd::config
