#include "config/erased.hpp"

namespace canaryd::config {

Erased::~Erased() = default;

ErasedPointer::ErasedPointer() noexcept = default;
ErasedPointer::ErasedPointer(std::unique_ptr<const Erased> owned) : erased_(std::move(owned)) {}
ErasedPointer::ErasedPointer(const ErasedPointer& other) = default;
ErasedPointer::ErasedPointer(ErasedPointer&& other) noexcept = default;
ErasedPointer& ErasedPointer::operator=(const ErasedPointer& other) = default;
ErasedPointer& ErasedPointer::operator=(ErasedPointer&& other) noexcept = default;
ErasedPointer::~ErasedPointer() = default;

}  // namespace canaryd::config
