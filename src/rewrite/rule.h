// Rule: name, pattern, named conditions, replacement.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rewrite/pattern.h"

namespace sdx::rewrite {

/// When a rule's turn comes. Inside a stage the order of rules must not matter.
enum class Stage : uint8_t { kCanonicalise, kFuse, kLayout };

class Rule {
 public:
  using Condition = std::function<bool(const Match&)>;
  using Replacement = std::function<ir::ValueId(Match&)>;

  Rule(std::string name, Stage stage) : name_(std::move(name)), stage_(stage) {}

  /// May be given more than once: any of the patterns starts the rule.
  Rule& match(Pattern pattern) { return patterns_.push_back(std::move(pattern)), *this; }
  /// `what` is printed as the reason of a near miss where the condition does not hold.
  Rule& when(std::string what, Condition condition) {
    return conditions_.push_back({std::move(what), std::move(condition)}), *this;
  }
  /// Returns the value that takes the root's place, or kNone where it comes to nothing.
  Rule& replace(Replacement replacement) { return replacement_ = std::move(replacement), *this; }
  /// Intermediate values may have other users: they stay for those.
  Rule& keep_shared() { return keep_shared_ = true, *this; }

  const std::string& name() const { return name_; }
  Stage stage() const { return stage_; }
  const std::vector<Pattern>& patterns() const { return patterns_; }
  const Replacement& replacement() const { return replacement_; }
  bool keeps_shared() const { return keep_shared_; }
  /// The first condition that fails, or "".
  std::string failed_condition(const Match& match) const {
    for (const auto& [what, condition] : conditions_) {
      if (!condition(match)) return what;
    }
    return "";
  }

 private:
  std::string name_;
  Stage stage_;
  std::vector<Pattern> patterns_;
  std::vector<std::pair<std::string, Condition>> conditions_;
  Replacement replacement_;
  bool keep_shared_ = false;
};

inline Rule canonicalise(std::string name) { return Rule(std::move(name), Stage::kCanonicalise); }
inline Rule fuse(std::string name) { return Rule(std::move(name), Stage::kFuse); }
inline Rule layout(std::string name) { return Rule(std::move(name), Stage::kLayout); }

/// Every rule of rules/*.cc, from rules.inc.
std::span<const Rule> all_rules();

}  // namespace sdx::rewrite
