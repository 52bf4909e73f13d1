#include "config/section.hpp"

namespace canaryd::config {

FieldInfo& SectionTable::add_row(
    std::string_view key, std::string_view help, Shape shape, void* defaults, Row row) {
  FieldInfo& field = info_.fields.emplace_back();
  field.key = key;
  field.help = help;
  field.shape = std::move(shape);
  field.default_value = row.write.as<ErasedWrite>().write(row.place(defaults), Names{});
  rows_.push_back(std::move(row));
  return field;
}

void SectionTable::make_required(FieldInfo& field) {
  field.required = true;
  field.default_value.reset();
}

void SectionTable::include_rows(const ErasedPointer& part, const SectionTable& inner) {
  for (std::size_t i = 0; i < inner.rows_.size(); ++i) {
    info_.fields.push_back(inner.info_.fields[i]);
    Row row = inner.rows_[i];
    row.places.push_back(part);
    rows_.push_back(std::move(row));
  }
  const auto& later = inner.info_.unsupported;
  info_.unsupported.insert(info_.unsupported.end(), later.begin(), later.end());
}

SectionTable::Row::Row(ErasedPointer read_in, ErasedPointer write_in, ErasedPointer place)
    : read(std::move(read_in)), write(std::move(write_in)), places{std::move(place)} {}

void* SectionTable::Row::place(void* whole) const {
  for (auto part = places.rbegin(); part != places.rend(); ++part) {
    whole = part->as<ErasedPlace>().place(whole);
  }
  return whole;
}

bool SectionTable::read_rows(Reader& in, const Node& node, void* out) const {
  const Reader::Inside inside(in, info_);
  bool good = in.check_map(node, info_);
  if (node.kind != Node::Kind::kMap) return false;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const FieldInfo& field = info_.fields[i];
    const Node::Entry* entry = node.find(field.key);
    if (entry == nullptr) {
      if (!field.required) continue;
      in.missing(node, info_, field.key);
      good = false;
      continue;
    }
    const auto scope = in.enter(*entry);
    const Row& row = rows_[i];
    good = row.read.as<ErasedRead>().read(in, entry->value, row.place(out)) && good;
  }
  return good;
}

Node SectionTable::write_rows(const void* value, const Names& names) const {
  // Places are reached through one accessor for reading and writing; a write does not change them.
  void* whole = const_cast<void*>(value);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  Node node = Node::map();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    if (auto entry = row.write.as<ErasedWrite>().write(row.place(whole), names)) {
      node.add(std::string(info_.fields[i].key), std::move(*entry));
    }
  }
  return node;
}

}  // namespace canaryd::config
