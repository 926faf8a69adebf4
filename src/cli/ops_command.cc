// `sardonyx ops`: the operators of this build, or which of a model's it lacks.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/json_tensor.h"
#include "ops/op_table.h"

namespace sdx::cli {

void add_ops_command(CommandLine& app) {
  auto json = std::make_shared<bool>(false);
  Subcommand* command = app.add_subcommand("ops", "list the operators of this build");
  command->add_flag("--json", *json, "machine-readable output");
  command->final_callback([json] {
    Json list = Json::array();
    for (const ir::Op* op : ops::all()) {
      list.push_back(
          {{"domain", op->domain.empty() ? "ai.onnx" : op->domain}, {"name", op->name}, {"since", op->since}});
    }
    if (*json) {
      std::printf("%s\n", list.dump().c_str());
      return;
    }
    for (const Json& op : list) {
      std::printf("%-16s %-32s since %d\n", op["domain"].get<std::string>().c_str(),
                  op["name"].get<std::string>().c_str(), op["since"].get<int>());
    }
    std::printf("%zu operators\n", list.size());
  });
}

}  // namespace sdx::cli
