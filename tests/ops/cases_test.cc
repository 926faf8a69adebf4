// Every operator case under cases/, one test each, and the demand that every family and operator has some.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "case.h"
#include "lanes.h"
#include "ops/family.h"

namespace sdx::ops {

#define SDX_FAMILY(name) std::span<const ir::Op> name##_family();
#include "ops/families.inc"
#undef SDX_FAMILY

namespace {

const std::filesystem::path kFolder = std::filesystem::path(SARDONYX_SOURCE_DIR) / "tests/ops/cases";

std::map<std::string, std::span<const ir::Op>> families() {
  return {
#define SDX_FAMILY(name) {#name, name##_family()},
#include "ops/families.inc"
#undef SDX_FAMILY
  };
}

struct CaseTest : testing::Test {
  explicit CaseTest(Case c) : tested(std::move(c)) {}
  void TestBody() override {
    SCOPED_TRACE(cat("tests/ops/cases/", tested.file, ".txt:", tested.line,
                     "; replay with ops_cases_test --gtest_filter=", tested.file, ".", "*_line", tested.line));
    run_lanes(tested);
  }
  Case tested;
};

struct FailingTest : testing::Test {
  explicit FailingTest(std::string text) : message(std::move(text)) {}
  void TestBody() override { ADD_FAILURE() << message; }
  std::string message;
};

void add_test(const std::string& suite, const std::string& name, std::function<testing::Test*()> make) {
  testing::RegisterTest(suite.c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__, std::move(make));
}

/// Returns the operators that have cases.
std::set<std::string> add_file(const std::filesystem::path& path) {
  std::set<std::string> seen;
  for (Case& c : read_cases(path)) {
    seen.insert(cat(c.domain, "::", c.name));
    const std::string name = cat(c.name, "_line", c.line);
    add_test(path.stem().string(), name, [c = std::move(c)] { return new CaseTest(c); });
  }
  return seen;
}

void add_family(const std::string& family, std::span<const ir::Op> operators) try {
  const auto seen = add_file(kFolder / (family + ".txt"));
  std::string missing;
  for (const ir::Op& op : operators) {
    const std::string name = cat(op.domain, "::", op.name);
    if (op.bodies == 0 && !seen.contains(name)) missing += " " + name;
  }
  if (!missing.empty()) {
    const std::string message = cat("no case in tests/ops/cases/", family, ".txt for:", missing);
    add_test(family, "every_operator_has_a_case", [message] { return new FailingTest(message); });
  }
} catch (const std::exception& e) {
  const std::string message = e.what();
  add_test(family, "cases_are_readable", [message] { return new FailingTest(message); });
}

}  // namespace
}  // namespace sdx::ops

/// Case files as arguments run instead of the committed ones.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) sdx::ops::add_file(argv[i]);
  for (const auto& [family, operators] : sdx::ops::families()) {
    if (argc == 1) sdx::ops::add_family(family, operators);
  }
  return RUN_ALL_TESTS();
}
