// `sardonyx report`: saved results of `sardonyx compare --json` as a table, a page and drawings.
#include <cstdio>
#include <memory>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "cli/commands.h"
#include "cli/html_report.h"

namespace sdx::cli {
namespace {

struct ReportFlags {
  std::vector<std::string> files;
  std::string html, bars, roofline;
};

void write(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void run(const ReportFlags& flags) {
  std::vector<Json> reports;
  for (const auto& path : flags.files) {
    const auto file = MappedFile::open(path);
    reports.push_back(parse_json(MappedFile::share(file).text()));
    if (!reports.back().is_object() || !reports.back().contains("ratio")) {
      fail(ErrorKind::kInvalidInput, "'", path, "' holds no report; sardonyx compare --json writes one");
    }
  }
  write(flags.html, html_report(reports));
  write(flags.bars, standalone(ratio_bars(reports)));
  write(flags.roofline, standalone(roofline(reports)));
  std::printf("%s", markdown_table(reports).c_str());
}

}  // namespace

void add_report_command(CommandLine& app) {
  auto flags = std::make_shared<ReportFlags>();
  Subcommand* command =
      app.add_subcommand("report", "show saved results of compare --json as one table, page and drawings");
  command->add_option("reports", flags->files, "files that compare --json wrote")->required();
  command->add_option("--html", flags->html, "write a page that needs nothing else");
  command->add_option("--bars", flags->bars, "write the ratios as a drawing (.svg)");
  command->add_option("--roofline", flags->roofline, "write the rates under the machine's limits as a drawing (.svg)");
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
