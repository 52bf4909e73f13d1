#include "admin/openapi.hpp"

#include "admin/api.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <set>

namespace canaryd::admin {
namespace {

namespace json = boost::json;

std::string text(const json::value& value) {
  return value.as_string().c_str();
}

json::value document() {
  return json::parse(openapi_text());
}

// Every "$ref" below value.
void collect_references(const json::value& value, std::set<std::string>& out) {
  if (const json::object* const object = value.if_object()) {
    for (const auto& member : *object) {
      if (member.key() == "$ref") out.insert(text(member.value()));
      collect_references(member.value(), out);
    }
  } else if (const json::array* const array = value.if_array()) {
    for (const json::value& each : *array) collect_references(each, out);
  }
}

TEST(OpenApi, DescribesEveryRouteInWords) {
  const json::value all = document();
  std::set<std::string> ids;
  for (const Api::Operation& operation : Api::operations()) {
    const json::value& said =
        all.at("paths").at(operation.path).at(operation.is_change ? "post" : "get");
    EXPECT_FALSE(text(said.at("summary")).empty())
        << operation.path << " has no words in openapi.cpp";
    EXPECT_EQ(text(said.at("x-canaryd-role")), to_string(operation.role)) << operation.path;
    EXPECT_TRUE(ids.insert(text(said.at("operationId"))).second) << operation.path;
  }
  std::size_t count = 0;
  for (const auto& path : all.at("paths").as_object()) count += path.value().as_object().size();
  EXPECT_EQ(count, Api::operations().size());
}

TEST(OpenApi, RefersToWhatIsThere) {
  const json::value all = document();
  std::set<std::string> references;
  collect_references(all, references);
  EXPECT_GT(references.size(), 20U);
  for (const std::string& reference : references) {
    ASSERT_TRUE(reference.starts_with("#/"));
    boost::system::error_code code;
    EXPECT_NE(all.find_pointer(reference.substr(1), code), nullptr) << reference;
  }
  for (const auto& schema : all.at("components").at("schemas").as_object()) {
    const std::string reference =
        "#/components/schemas/" + std::string(std::string_view(schema.key()));
    EXPECT_TRUE(references.contains(reference)) << reference << " is used by nobody";
  }
}

TEST(OpenApi, GivesEachRouteTheRoleOfItsKind) {
  for (const Api::Operation& operation : Api::operations()) {
    Role expected = operation.is_change ? Role::kAdmin : Role::kViewer;
    if (operation.is_change && operation.path.find("{name}") != std::string::npos) {
      expected = Role::kOperator;
    }
    if (operation.path == "/api/v1/explain") expected = Role::kViewer;
    if (operation.path == "/livez" || operation.path == "/readyz") expected = Role::kNobody;
    EXPECT_EQ(operation.role, expected) << operation.path;
  }
}

}  // namespace
}  // namespace canaryd::admin
