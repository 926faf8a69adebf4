// Attrs: an operator's attributes as one typed value, described once for reading, printing, comparing and writing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <typeinfo>
#include <variant>
#include <vector>

#include "base/error.h"
#include "tensor/tensor.h"

namespace sdx::ir {

using AttrValue = std::variant<int64_t, float, std::string, Tensor, std::vector<int64_t>, std::vector<float>,
                               std::vector<std::string>>;
/// Attributes by ONNX's names. Graph attributes are not among them: a node keeps them as its bodies.
using AttrMap = std::map<std::string, AttrValue, std::less<>>;

/// One member of an attribute struct and its ONNX name. `required`: its absence is an error.
template <class S, class M>
struct Field {
  std::string_view name;
  M S::*member;
  bool required;
};
template <class S, class M>
constexpr Field<S, M> field(std::string_view name, M S::*member) {
  return {name, member, false};
}
template <class S, class M>
constexpr Field<S, M> required(std::string_view name, M S::*member) {
  return {name, member, true};
}

namespace attrs_detail {

[[noreturn]] void wrong_type(std::string_view name, const AttrValue& value, std::string_view wanted);
[[noreturn]] void missing(std::string_view name);
[[noreturn]] void unknown(std::string_view name);

void read(std::string_view name, const AttrValue& value, int64_t& out);
void read(std::string_view name, const AttrValue& value, bool& out);
void read(std::string_view name, const AttrValue& value, float& out);
void read(std::string_view name, const AttrValue& value, std::string& out);
void read(std::string_view name, const AttrValue& value, Tensor& out);
void read(std::string_view name, const AttrValue& value, DType& out);
void read(std::string_view name, const AttrValue& value, std::vector<int64_t>& out);
void read(std::string_view name, const AttrValue& value, std::vector<float>& out);
void read(std::string_view name, const AttrValue& value, std::vector<std::string>& out);
template <class T>
void read(std::string_view name, const AttrValue& value, std::optional<T>& out) {
  read(name, value, out.emplace());
}

inline std::optional<AttrValue> write(int64_t v) { return v; }
inline std::optional<AttrValue> write(bool v) { return static_cast<int64_t>(v); }
inline std::optional<AttrValue> write(float v) { return v; }
inline std::optional<AttrValue> write(const std::string& v) { return v; }
inline std::optional<AttrValue> write(const Tensor& v) {
  return v.defined() ? std::optional<AttrValue>(v) : std::nullopt;
}
inline std::optional<AttrValue> write(DType v) {
  return v == DType::kUndefined ? std::nullopt : std::optional<AttrValue>(static_cast<int64_t>(v));
}
inline std::optional<AttrValue> write(const std::vector<int64_t>& v) { return v; }
inline std::optional<AttrValue> write(const std::vector<float>& v) { return v; }
inline std::optional<AttrValue> write(const std::vector<std::string>& v) { return v; }
template <class T>
std::optional<AttrValue> write(const std::optional<T>& v) {
  return v ? write(*v) : std::nullopt;
}

}  // namespace attrs_detail

/// Attributes of an operator that has none.
struct NoAttrs {
  bool operator==(const NoAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{}; }
};

/// An immutable attribute struct S behind a handle. S is an aggregate with a defaulted == and a static constexpr
/// `fields()` that returns a tuple of field(...) and required(...). Members are int64_t, bool, float, std::string,
/// Tensor, DType, vectors of int64_t, float or std::string, or std::optional of those.
class Attrs {
 public:
  Attrs() : Attrs(NoAttrs{}) {}
  template <class S>
  requires requires { S::fields(); }
  Attrs(S value) : holder_(std::make_shared<Holder<S>>(std::move(value))) {}  // NOLINT: implicit by design

  /// Reads every field of S from the map. An attribute that no field takes is an InvalidModel error, as is a missing
  /// required one or a wrong type.
  template <class S>
  static Attrs parse(const AttrMap& map) {
    S out;
    size_t taken = 0;
    auto one = [&](const auto& f) {
      auto it = map.find(f.name);
      if (it == map.end()) {
        if (f.required) attrs_detail::missing(f.name);
        return;
      }
      ++taken;
      attrs_detail::read(f.name, it->second, out.*(f.member));
    };
    std::apply([&](const auto&... f) { (one(f), ...); }, S::fields());
    if (taken != map.size()) {
      for (const auto& entry : map) {
        bool known = false;
        std::apply([&](const auto&... f) { ((known |= f.name == entry.first), ...); }, S::fields());
        if (!known) attrs_detail::unknown(entry.first);
      }
    }
    return out;
  }

  template <class S>
  const S& as() const {
    if (typeid(S) != holder_->type()) fail(ErrorKind::kInternal, "attributes of another type than the operator's");
    return static_cast<const Holder<S>&>(*holder_).value;
  }

  /// Every field that has a value, by name: what the printer and the writer use.
  AttrMap map() const { return holder_->map(); }
  bool operator==(const Attrs& other) const { return holder_ == other.holder_ || holder_->equals(*other.holder_); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual const std::type_info& type() const = 0;
    virtual bool equals(const Base& other) const = 0;
    virtual AttrMap map() const = 0;
  };
  template <class S>
  struct Holder final : Base {
    explicit Holder(S v) : value(std::move(v)) {}
    const std::type_info& type() const override { return typeid(S); }
    bool equals(const Base& other) const override {
      return other.type() == typeid(S) && static_cast<const Holder&>(other).value == value;
    }
    AttrMap map() const override {
      AttrMap out;
      auto one = [&](const auto& f) {
        if (auto v = attrs_detail::write(value.*(f.member))) out.emplace(f.name, std::move(*v));
      };
      std::apply([&](const auto&... f) { (one(f), ...); }, S::fields());
      return out;
    }
    S value;
  };
  std::shared_ptr<const Base> holder_;
};

}  // namespace sdx::ir
