// The table of all rules, from rules.inc.
#include "rewrite/rule.h"

namespace sdx::rewrite {

#define SDX_RULES(name) std::vector<Rule> name##_rules();
#include "rewrite/rules.inc"
#undef SDX_RULES

std::span<const Rule> all_rules() {
  static const std::vector<Rule> rules = [] {
    std::vector<Rule> all;
    auto take = [&](std::vector<Rule> family) {
      for (Rule& r : family) all.push_back(std::move(r));
    };
#define SDX_RULES(name) take(name##_rules());
#include "rewrite/rules.inc"
#undef SDX_RULES
    return all;
  }();
  return rules;
}

}  // namespace sdx::rewrite
