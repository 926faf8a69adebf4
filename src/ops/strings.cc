// StringConcat, StringSplit and StringNormalizer.
#include "kernels/strided.h"
#include "ops/movement.h"

namespace sdx::ops {
namespace {

void infer_concat(InferContext& c) {
  for (int i : {0, 1}) c.require_dtype(i, {DType::kString});
  c.set(0, DType::kString, c.broadcast(c.input(0).shape, c.input(1).shape));
}

void run_concat(RunContext& c) {
  const ConstView a = c.input(0), b = c.input(1);
  const View y = c.output(0);
  if (y.count() == 0) return;
  const auto loop = kernels::make_broadcast_loop<2>(y.extents.span(), {a.extents.span(), b.extents.span()});
  kernels::for_runs(loop, 0, y.count(), [&](int64_t index, const std::array<int64_t, 2>& offset, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      y.as<std::string>()[index + i] =
          a.as<std::string>()[offset[0] + i * loop.inner(0)] + b.as<std::string>()[offset[1] + i * loop.inner(1)];
    }
  });
}

struct SplitAttrs {
  std::string delimiter;
  std::optional<int64_t> maxsplit;
  bool operator==(const SplitAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("delimiter", &SplitAttrs::delimiter), field("maxsplit", &SplitAttrs::maxsplit)};
  }
};

constexpr std::string_view kSpaces = " \t\n\r\f\v";

/// Words between runs of white space; what is left after `most` splits stays whole.
std::vector<std::string> split_words(std::string_view text, int64_t most) {
  std::vector<std::string> out;
  for (size_t at = text.find_first_not_of(kSpaces); at != text.npos;) {
    const size_t end = text.find_first_of(kSpaces, at);
    if (end == text.npos || static_cast<int64_t>(out.size()) >= most) {
      const size_t last = text.find_last_not_of(kSpaces);
      out.emplace_back(text.substr(at, last - at + 1));
      break;
    }
    out.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSpaces, end);
  }
  return out;
}

std::vector<std::string> split(std::string_view text, const SplitAttrs& a) {
  const int64_t most = a.maxsplit.value_or(INT64_MAX);
  if (a.delimiter.empty()) return split_words(text, most);
  std::vector<std::string> out;
  size_t at = 0;
  while (!text.empty()) {
    const size_t end = static_cast<int64_t>(out.size()) >= most ? text.npos : text.find(a.delimiter, at);
    out.emplace_back(text.substr(at, end == text.npos ? text.npos : end - at));
    if (end == text.npos) break;
    at = end + a.delimiter.size();
  }
  return out;
}

void infer_split(InferContext& c) {
  c.require_dtype(0, {DType::kString});
  const auto& maxsplit = c.attrs<SplitAttrs>().maxsplit;
  if (maxsplit && *maxsplit < 0) c.invalid("attribute 'maxsplit' is ", *maxsplit, " but must be >= 0");
  Shape shape = c.input(0).shape;
  if (shape.has_rank()) shape.push_back(c.symbols().fresh());
  c.set(0, DType::kString, std::move(shape));
  c.set(1, DType::kI64, c.input(0).shape);
}

void run_split(RunContext& c) {
  const ConstView x = c.input(0);
  std::vector<std::vector<std::string>> parts;
  size_t most = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    parts.push_back(split(x.as<std::string>()[i], c.attrs<SplitAttrs>()));
    most = std::max(most, parts.back().size());
  }
  Extents extents = x.extents;
  extents.push_back(static_cast<int64_t>(most));
  if (c.wants(0)) {
    std::string* to = c.allocate_output(0, DType::kString, extents).as<std::string>();
    for (size_t i = 0; i < parts.size(); ++i) std::ranges::copy(parts[i], to + i * most);
  }
  if (c.wants(1)) {
    int64_t* to = c.allocate_output(1, DType::kI64, x.extents).as<int64_t>();
    std::ranges::transform(parts, to, [](const auto& p) { return static_cast<int64_t>(p.size()); });
  }
}

struct NormalizerAttrs {
  std::string case_change_action = "NONE";
  bool is_case_sensitive = false;
  std::string locale;
  std::vector<std::string> stopwords;
  bool operator==(const NormalizerAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("case_change_action", &NormalizerAttrs::case_change_action),
                      field("is_case_sensitive", &NormalizerAttrs::is_case_sensitive),
                      field("locale", &NormalizerAttrs::locale), field("stopwords", &NormalizerAttrs::stopwords)};
  }
};

void infer_normalizer(InferContext& c) {
  const std::string& action = c.attrs<NormalizerAttrs>().case_change_action;
  if (action != "LOWER" && action != "UPPER" && action != "NONE") {
    c.invalid("attribute 'case_change_action' is '", action, "' but must be LOWER, UPPER or NONE");
  }
  c.require_dtype(0, {DType::kString});
  c.require_rank(0, 1, 2);
  Shape shape = c.input(0).shape;
  if (shape.has_rank()) {
    if (shape.rank() == 2) c.require_equal(shape[0], 1, "the rows of strings, and 1,");
    shape[shape.rank() - 1] = c.symbols().fresh();
  }
  c.set(0, DType::kString, std::move(shape));
}

/// ASCII letters in the wanted case. Throws UnsupportedModel for other characters, whose case depends on the locale.
std::string change_case(std::string text, std::string_view action) {
  for (char& ch : text) {
    if (static_cast<unsigned char>(ch) >= 0x80) {
      fail(ErrorKind::kUnsupportedModel, "StringNormalizer changes the case of ASCII only, not of '", text, "'");
    }
    if (action == "LOWER" && ch >= 'A' && ch <= 'Z') ch = static_cast<char>(ch - 'A' + 'a');
    if (action == "UPPER" && ch >= 'a' && ch <= 'z') ch = static_cast<char>(ch - 'a' + 'A');
  }
  return text;
}

void run_normalizer(RunContext& c) {
  const auto& a = c.attrs<NormalizerAttrs>();
  const ConstView x = c.input(0);
  const bool folds = !a.is_case_sensitive && !a.stopwords.empty();
  auto key = [&](const std::string& s) { return folds ? change_case(s, "LOWER") : s; };
  std::vector<std::string> stopwords, kept;
  for (const std::string& s : a.stopwords) stopwords.push_back(key(s));
  for (int64_t i = 0; i < x.count(); ++i) {
    const std::string& s = x.as<std::string>()[i];
    if (std::ranges::find(stopwords, key(s)) != stopwords.end()) continue;
    kept.push_back(a.case_change_action == "NONE" ? s : change_case(s, a.case_change_action));
  }
  if (kept.empty()) kept.emplace_back();
  Extents extents = x.extents;
  extents[x.rank() - 1] = static_cast<int64_t>(kept.size());
  std::ranges::copy(kept, c.allocate_output(0, DType::kString, extents).as<std::string>());
}

const Op kFamily[] = {
    {.domain = "",
     .name = "StringConcat",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_concat,
     .run = run_concat,
     .since = 20},
    {.domain = "",
     .name = "StringNormalizer",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<NormalizerAttrs>,
     .infer = infer_normalizer,
     .run = run_normalizer,
     .traits = {.data_dependent = true},
     .since = 10},
    {.domain = "",
     .name = "StringSplit",
     .inputs = {1, 1},
     .outputs = {2, 2},
     .parse = Attrs::parse<SplitAttrs>,
     .infer = infer_split,
     .run = run_split,
     .traits = {.data_dependent = true},
     .since = 20},
};

}  // namespace

std::span<const Op> strings_family() { return kFamily; }

}  // namespace sdx::ops
