// Contest: padded batches, and the peer's ways to run them.
#include "cli/contest.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <numeric>
#include <random>

namespace sdx::cli {
namespace {

bool is_mask(const std::string& name) { return name.find("mask") != std::string::npos; }

/// Rows `rows` of x [batch, length], cut to `length`.
Tensor cut(const Tensor& x, const std::vector<size_t>& rows, int64_t length) {
  Tensor out(x.dtype(), {static_cast<int64_t>(rows.size()), length});
  const auto element = static_cast<size_t>(dtype_bits(x.dtype()) / 8);
  const auto bytes = static_cast<size_t>(length) * element, stride = static_cast<size_t>(x.extents()[1]) * element;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(out.mutable_view().data + i * bytes, x.view().data + rows[i] * stride, bytes);
  }
  return out;
}

}  // namespace

MixedBatch MixedBatch::parse(const std::string& text) {
  MixedBatch out;
  const char *at = text.data(), *end = at + text.size();
  bool fits = true;
  auto number = [&](int64_t& value, std::string_view after) {
    const auto [next, error] = std::from_chars(at, end, value);
    fits = fits && error == std::errc() && value > 0 && std::string_view(next, end).starts_with(after);
    at = fits ? next + after.size() : end;
  };
  number(out.rows, "x");
  number(out.least, "..");
  number(out.most, "");
  if (!fits || at != end || out.least > out.most || out.rows > 4096 || out.most > 65536) {
    fail(ErrorKind::kInvalidInput, "'", text, "' in --mixed must look like 16x8..128: texts, least and most tokens");
  }
  return out;
}

std::vector<int64_t> MixedBatch::lengths(uint64_t seed) const {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < rows; ++i) out.push_back(rows == 1 ? most : least + (most - least) * i / (rows - 1));
  std::mt19937_64 random(seed);
  for (size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[random() % i]);
  return out;
}

void pad_inputs(const engine::Model& model, const std::vector<int64_t>& lengths, std::vector<Value>& inputs) {
  const auto longest = *std::ranges::max_element(lengths);
  bool masked = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!is_mask(model.inputs()[i].name) || !inputs[i].is_tensor()) continue;
    const Tensor& old = inputs[i].tensor();
    if (old.dtype() != DType::kI64 || old.extents().rank() != 2 || old.extents()[1] != longest) continue;
    Tensor mask(DType::kI64, old.extents());
    auto* out = mask.mutable_view().as<int64_t>();
    for (size_t row = 0; row < lengths.size(); ++row) {
      for (int64_t c = 0; c < longest; ++c) *out++ = c < lengths[row] ? 1 : 0;
    }
    inputs[i] = mask;
    masked = true;
  }
  if (!masked)
    fail(ErrorKind::kInvalidInput, "--mixed needs a model with an int64 input [batch, length] named like a mask");
}

PeerSide::PeerSide(const peer::PeerSession& session, const std::vector<std::string>& names, std::vector<Value> values)
    : session_(session) {
  for (const std::string& wanted : session.inputs()) {
    const auto it = std::ranges::find(names, wanted);
    const auto at = static_cast<size_t>(it - names.begin());
    if (it == names.end() || !values[at].is_tensor()) {
      fail(ErrorKind::kInvalidInput, "ONNX Runtime wants an input '", wanted,
           "' that is not given; give it with --input");
    }
    tensors_.push_back(values[at].tensor());
  }
  values_ = wrap(tensors_);
}

std::vector<peer::PeerValue> PeerSide::wrap(const std::vector<Tensor>& tensors) const {
  std::vector<peer::PeerValue> out;
  for (const Tensor& t : tensors) out.emplace_back(session_.library(), t);
  return out;
}

std::function<void()> PeerSide::in_pieces(const std::vector<int64_t>& lengths, int64_t rows) const {
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::ranges::less(), [&](size_t i) { return lengths[i]; });
  auto pieces = std::make_shared<std::vector<std::vector<peer::PeerValue>>>();
  for (size_t begin = 0; begin < order.size(); begin += static_cast<size_t>(rows)) {
    const size_t end = std::min(order.size(), begin + static_cast<size_t>(rows));
    const std::vector<size_t> piece(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                    order.begin() + static_cast<std::ptrdiff_t>(end));
    std::vector<Tensor> tensors;
    for (const Tensor& t : tensors_) tensors.push_back(cut(t, piece, lengths[piece.back()]));
    pieces->push_back(wrap(tensors));
  }
  return [this, pieces] {
    for (const auto& values : *pieces) session_.run(values);
  };
}

}  // namespace sdx::cli
