// Typed functions of the field table kept without their types, so that what a table does with its
// rows (copy, hold, walk) is compiled once and not once for each type of value.
#pragma once

#include "config/reader.hpp"

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace canaryd::config {

struct Erased {
  virtual ~Erased();
};
struct ErasedRead : Erased {
  virtual bool read(Reader& in, const Node& node, void* out) const = 0;
};
struct ErasedWrite : Erased {
  [[nodiscard]] virtual std::optional<Node> write(const void* value, const Names& names) const = 0;
};
// From a struct to the place of one of its values.
struct ErasedPlace : Erased {
  [[nodiscard]] virtual void* place(void* whole) const = 0;
};

// A shared one that never changes; empty until one is given.
class ErasedPointer {
 public:
  ErasedPointer() noexcept;
  explicit ErasedPointer(std::unique_ptr<const Erased> owned);
  ErasedPointer(const ErasedPointer& other);
  ErasedPointer(ErasedPointer&& other) noexcept;
  ErasedPointer& operator=(const ErasedPointer& other);
  ErasedPointer& operator=(ErasedPointer&& other) noexcept;
  ~ErasedPointer();

  template <class Kind>
  [[nodiscard]] const Kind& as() const noexcept {
    return static_cast<const Kind&>(*erased_);
  }

 private:
  std::shared_ptr<const Erased> erased_;
};

// bool(Reader&, const Node&, V&).
template <class V>
class Read {
 public:
  Read() = default;
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Read>)
      Read(F function)  // NOLINT(google-explicit-constructor): as std::function.
      : erased_(std::make_unique<Of<F>>(std::move(function))) {}

  bool operator()(Reader& in, const Node& node, V& out) const {
    return erased_.template as<ErasedRead>().read(in, node, &out);
  }
  [[nodiscard]] const ErasedPointer& erased() const noexcept { return erased_; }

 private:
  template <class F>
  struct Of final : ErasedRead {
    explicit Of(F given) : function(std::move(given)) {}
    bool read(Reader& in, const Node& node, void* out) const override {
      return function(in, node, *static_cast<V*>(out));
    }
    F function;
  };

  ErasedPointer erased_;
};

// std::optional<Node>(const V&, const Names&).
template <class V>
class Write {
 public:
  Write() = default;
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Write>)
      Write(F function)  // NOLINT(google-explicit-constructor): as std::function.
      : erased_(std::make_unique<Of<F>>(std::move(function))) {}

  std::optional<Node> operator()(const V& value, const Names& names) const {
    return erased_.template as<ErasedWrite>().write(&value, names);
  }
  [[nodiscard]] const ErasedPointer& erased() const noexcept { return erased_; }

 private:
  template <class F>
  struct Of final : ErasedWrite {
    explicit Of(F given) : function(std::move(given)) {}
    [[nodiscard]] std::optional<Node> write(const void* value, const Names& names) const override {
      return function(*static_cast<const V*>(value), names);
    }
    F function;
  };

  ErasedPointer erased_;
};

// `member` is a member pointer of T or a function from T& to the value's place.
template <class T, class Member>
[[nodiscard]] ErasedPointer place_of(Member member) {
  struct Of final : ErasedPlace {
    explicit Of(Member given) : member(std::move(given)) {}
    [[nodiscard]] void* place(void* whole) const override {
      return std::addressof(std::invoke(member, *static_cast<T*>(whole)));
    }
    Member member;
  };
  return ErasedPointer(std::make_unique<Of>(std::move(member)));
}

}  // namespace canaryd::config
