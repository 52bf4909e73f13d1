#include "config/field.hpp"

namespace canaryd::config {

Shape::Shape() noexcept = default;
Shape::Shape(const Shape& other) = default;
Shape::Shape(Shape&& other) noexcept = default;
Shape& Shape::operator=(const Shape& other) = default;
Shape& Shape::operator=(Shape&& other) noexcept = default;
Shape::~Shape() = default;

}  // namespace canaryd::config
