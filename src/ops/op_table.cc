// The table of all operators: families.inc read once as declarations and once as rows.
#include "ops/op_table.h"

#include <algorithm>
#include <map>
#include <vector>

#include "ops/family.h"

namespace sdx::ops {

#define SDX_FAMILY(name) std::span<const ir::Op> name##_family();
#include "ops/families.inc"
#undef SDX_FAMILY

namespace {

using Key = std::pair<std::string_view, std::string_view>;

struct Table {
  std::map<Key, const ir::Op*> by_name;
  std::vector<const ir::Op*> rows;

  Table() {
#define SDX_FAMILY(name) add(name##_family());
#include "ops/families.inc"
#undef SDX_FAMILY
    for (const auto& [key, op] : by_name) rows.push_back(op);
  }
  void add(std::span<const ir::Op> family) {
    for (const ir::Op& op : family) {
      if (!by_name.emplace(Key{op.domain, op.name}, &op).second)
        fail(ErrorKind::kInternal, "operator ", op.domain, "::", op.name, " is defined twice");
    }
  }
};

const Table& table() {
  static const Table instance;
  return instance;
}

}  // namespace

const ir::Op* find(std::string_view domain, std::string_view name) {
  if (domain == "ai.onnx") domain = "";
  auto it = table().by_name.find({domain, name});
  return it == table().by_name.end() ? nullptr : it->second;
}

const ir::Op& get(std::string_view name, std::string_view domain) {
  if (const ir::Op* op = find(domain, name)) return *op;
  fail(ErrorKind::kInternal, "operator ", domain, "::", name, " is missing from the table");
}

std::span<const ir::Op* const> all() { return table().rows; }

}  // namespace sdx::ops
