// The decoder over the files of a Hub folder.
#include "engine/decoder.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "engine/decoder_files.h"
#include "engine/decoder_graph.h"
#include "engine/kv_cache.h"
#include "engine/source_rows.h"
#include "engine/token_history.h"

namespace sdx::engine {
namespace {

/// Memory that grows and is used again, as tensors of changing extents.
class Staging {
 public:
  Tensor get(DType dtype, const Extents& extents) {
    const int64_t bytes = dtype_bytes(dtype, extents.count());
    if (bytes > capacity_ || !block_) {
      const int64_t wanted = std::max<int64_t>({256, bytes, capacity_ * 2});
      block_.reset();
      block_ = allocate(DType::kU8, wanted);
      capacity_ = wanted;
    }
    return Tensor(dtype, extents, block_, block_.get());
  }

 private:
  std::shared_ptr<std::byte> block_;
  int64_t capacity_ = 0;
};

class HubDecoder final : public Decoder {
 public:
  HubDecoder(DecoderFiles files, const DecoderOptions& options)
      : options_(options),
        files_(std::move(files)),
        pairs_(pairs_of(files_)),
        cache_(self_pairs(pairs_), options.cache_limit),
        cross_(pairs_.size()),
        staging_(kFirstPast + pairs_.size()) {
    for (size_t i = 0, next = 0; i < pairs_.size(); ++i) in_cache_.push_back(pairs_[i].cross ? 0 : next++);
    if (files_.encoder) encoder_ = std::make_unique<Session>(Model::compile(files_.encoder, options.model));
    compile(false);
    const DecoderGraph& any = first_ ? *first_ : *step_;
    const Shape& shape = any.model->outputs()[static_cast<size_t>(any.logits)].fact.shape;
    if (!shape.has_rank() || shape.rank() != 3 || !shape[2].known()) {
      fail(ErrorKind::kUnsupportedModel, "the output 'logits' is ", shape.text(),
           " but must be [batch, tokens, vocabulary] with a number as its last size");
    }
    vocabulary_ = shape[2].value();
    with_source_ = std::ranges::any_of(any.inputs, [](const auto& i) { return i.kind == DecoderInput::kSource; });
    if (with_source_ && !encoder_) {
      fail(ErrorKind::kInvalidInput, "the decoder reads encoder states but the folder has no encoder_model.onnx");
    }
  }

  const std::string& model_type() const override { return files_.model_type; }
  bool is_encoder_decoder() const override { return with_source_; }
  bool cached() const override { return step_.has_value(); }
  bool takes_positions() const override {
    return std::ranges::any_of((step_ ? *step_ : *first_).inputs,
                               [](const auto& i) { return i.kind == DecoderInput::kPositions; });
  }
  DecoderLayout layout() const override { return files_.layout; }
  int64_t vocabulary() const override { return vocabulary_; }
  const Port& encoder_input() const override {
    require_encoder();
    return encoder_->model().inputs().at(main_input());
  }
  void set_run_settings(const RunSettings& settings) override { settings_ = settings; }
  Parallel parallel() const override { return settings_.parallel; }
  const Tensor& encoder_states() const override { return states_; }
  int64_t rows() const override { return history_.rows(); }
  int64_t length() const override { return history_.length(); }

  void encode(const Tensor& input, const Tensor& mask) override {
    require_encoder();
    const auto& ports = encoder_->model().inputs();
    const Extents& e = input.extents();
    source_mask_ = mask;
    if (!mask.defined() && e.rank() == 2) {
      source_mask_ = Tensor(DType::kI64, e);
      std::ranges::fill_n(source_mask_.mutable_view().as<int64_t>(), e.count(), 1);
    }
    std::vector<Value> values;
    for (size_t i = 0; i < ports.size(); ++i) {
      if (i == main_input())
        values.emplace_back(input);
      else if (ports[i].name == "attention_mask" && source_mask_.defined())
        values.emplace_back(source_mask_);
      else
        fail(ErrorKind::kUnsupportedModel, "the encoder has the input '", ports[i].name,
             "', for which there is no value");
    }
    auto results = encoder_->run(values, settings_);
    if (results.empty() || !results[0].is_tensor() || results[0].tensor().extents().rank() != 3) {
      fail(ErrorKind::kUnsupportedModel, "the encoder's first output is not [batch, source, width]");
    }
    states_ = results[0].tensor();
    history_.clear(0);
    cache_.clear(0);
  }

  void begin(int64_t rows) override {
    if (rows < 1) fail(ErrorKind::kInvalidInput, rows, " rows are to begin; it must be at least 1");
    if (with_source_) {
      if (!states_.defined())
        fail(ErrorKind::kInvalidInput, "the decoder needs a source; call encode() before begin()");
      if (states_.extents()[0] != rows) {
        fail(ErrorKind::kInvalidInput, rows, " rows are to begin but the encoder's batch is ", states_.extents()[0]);
      }
      source_.set(states_);
      if (source_mask_.defined()) source_masks_.set(source_mask_);
    }
    history_.clear(rows);
    cache_.clear(rows);
  }

  ConstView forward(const Tokens& tokens, Logits logits) override {
    const int64_t count = check(tokens), before = length();
    MemoryScope scope((step_ ? *step_ : *first_).model->budget());
    cache_.reserve(cached() ? before + count : 0);
    history_.append(tokens, count);
    Tensor out = logits_.get(
        DType::kF32, logits == Logits::kAll ? Extents{rows(), count, vocabulary_} : Extents{rows(), vocabulary_});
    if (keeps_hidden_) hidden_ = hidden_memory_.get(DType::kF32, {rows(), count, hidden_width()});
    wanted_ = {logits, before, count, out.mutable_view().as<float>()};
    try {
      int64_t done = 0;
      if (!cached()) {
        run(*first_, 0, before + count);
        done = count;
      } else if (first_ && before == 0) {
        run(*first_, 0, count);
        done = count;
      }
      for (int64_t n; done < count; done += n) {
        n = step_->one_token ? 1 : count - done;
        run(*step_, before + done, n);
      }
    } catch (...) {
      history_.crop(before);
      cache_.crop(before);
      throw;
    }
    statistics_.tokens += rows() * count;
    return out.view();
  }

  void select(std::span<const int32_t> parents) override {
    if (parents.empty()) fail(ErrorKind::kInvalidInput, "no rows are selected; at least one must stay");
    cache_.select(parents);
    history_.select(parents);
    if (source_.defined()) source_.select(parents);
    if (source_masks_.defined()) source_masks_.select(parents);
    for (SourceRows& c : cross_) {
      if (c.defined()) c.select(parents);
    }
  }

  void crop(int64_t length) override {
    if (length < 0 || length > history_.length()) {
      fail(ErrorKind::kInvalidInput, "sequences of ", history_.length(), " tokens cannot be cropped to ", length);
    }
    history_.crop(length);
    cache_.crop(length);
  }

  void keep_hidden_states() override {
    if (keeps_hidden_) return;
    compile(true);
    keeps_hidden_ = true;
    history_.clear(0);
    cache_.clear(0);
  }
  ConstView hidden_states() const override { return hidden_.view(); }

  DecoderStatistics statistics() const override {
    DecoderStatistics s = statistics_;
    s.bytes_moved = cache_.bytes_moved();
    for (const SourceRows& c : cross_) s.bytes_moved += c.bytes_moved();
    s.cache_bytes = cache_.bytes();
    return s;
  }

 private:
  /// Where the staging of past keys and values begins, behind that of ids, masks and positions.
  static constexpr size_t kFirstPast = 4;

  /// The tokens [first, first + count) that one run computes, and how many of them get logits.
  struct Span {
    int64_t first, count, last;
  };
  /// What the current call of forward() gives.
  struct Wanted {
    Logits logits = Logits::kLast;
    int64_t first = 0, count = 0;  ///< the call's tokens in their sequence
    float* out = nullptr;
  };

  void compile(bool hidden) {
    ModelOptions model = options_.model;
    if (options_.candidates) model.rewrite.candidates = "logits";
    model.rewrite.few_rows = files_.step != nullptr;
    DecoderGraphOptions graph{std::move(model), files_.first_branches, false, false, true, false, hidden};
    if (files_.first) first_ = compile_decoder(files_.first, pairs_, graph);
    graph.no_past = false;
    graph.in_place = options_.in_place;
    graph.use_cache = true;
    graph.one_token = files_.layout != DecoderLayout::kSingle;
    if (files_.step) step_ = compile_decoder(files_.step, pairs_, graph);
  }

  static std::vector<DecoderPair> pairs_of(const DecoderFiles& files) {
    const SharedFile& file = files.step ? files.step : files.first;
    return takes_past(*file) ? find_pairs(*file) : std::vector<DecoderPair>{};
  }
  static std::vector<KvCache::Pair> self_pairs(const std::vector<DecoderPair>& pairs) {
    std::vector<KvCache::Pair> out;
    for (const DecoderPair& p : pairs) {
      if (!p.cross) out.push_back({p.heads, p.width, p.dtype});
    }
    return out;
  }
  void require_encoder() const {
    if (!encoder_) fail(ErrorKind::kInvalidInput, "the model has no encoder");
  }
  size_t main_input() const {
    const auto& ports = encoder_->model().inputs();
    for (size_t i = 0; i < ports.size(); ++i) {
      if (ports[i].name != "attention_mask") return i;
    }
    fail(ErrorKind::kUnsupportedModel, "the encoder has no input but a mask");
  }

  /// The number of tokens a row.
  int64_t check(const Tokens& tokens) const {
    if (rows() == 0) fail(ErrorKind::kInvalidInput, "there are no sequences; call begin() before forward()");
    const auto size = static_cast<int64_t>(tokens.ids.size());
    if (size == 0 || size % rows() != 0)
      fail(ErrorKind::kInvalidInput, size, " ids are given for ", rows(),
           " rows; each row needs the same number, at least 1");
    if (!tokens.mask.empty() && tokens.mask.size() != tokens.ids.size()) {
      fail(ErrorKind::kInvalidInput, tokens.mask.size(), " mask values are given for ", size, " ids");
    }
    const int64_t count = size / rows();
    if (options_.max_length > 0 && length() + count > options_.max_length) {
      fail(ErrorKind::kInvalidInput, "sequences of ", length(), " tokens cannot take ", count, " more: at most ",
           options_.max_length, " are allowed");
    }
    return count;
  }

  bool is_step(const DecoderGraph& graph) const { return step_ && &graph == &*step_; }

  /// A tensor whose size alone counts.
  static Tensor size_only(int64_t size) {
    static const std::byte nothing{};
    return Tensor(DType::kU8, {size}, nullptr, &nothing);
  }

  Tensor history(DecoderInput kind, void (TokenHistory::*method)(int64_t, int64_t, int64_t*) const, int64_t first,
                 int64_t count) {
    Tensor t = staging_[static_cast<size_t>(kind)].get(DType::kI64, {rows(), count});
    (history_.*method)(first, count, t.mutable_view().as<int64_t>());
    return t;
  }

  Tensor input(const DecoderGraph& graph, size_t index, const Span& run) {
    const auto [kind, pair] = graph.inputs[index];
    const auto p = static_cast<size_t>(pair);
    switch (kind) {
      case DecoderInput::kIds: return history(kind, &TokenHistory::ids, run.first, run.count);
      case DecoderInput::kPositions: return history(kind, &TokenHistory::positions, run.first, run.count);
      case DecoderInput::kMask: return history(kind, &TokenHistory::mask, 0, run.first + run.count);
      case DecoderInput::kSource: return source_.get();
      case DecoderInput::kSourceMask: return source_masks_.get();
      case DecoderInput::kCacheSlots:
        return Tensor(DType::kI64, {rows()}, nullptr, reinterpret_cast<const std::byte*>(cache_.slots().data()));
      case DecoderInput::kSourceRows: return source_rows(graph);
      case DecoderInput::kCachePast: return size_only(run.first);
      case DecoderInput::kLastRows: return size_only(run.last);
      case DecoderInput::kPast:
      case DecoderInput::kCross: break;
    }
    if (kind == DecoderInput::kCross && is_step(graph)) return graph.shared[p] ? cross_[p].sources() : cross_[p].get();
    if (graph.in_place[p]) return cache_.buffer(in_cache_[p]);
    const int64_t length = is_step(graph) ? run.first : 0;
    Tensor past = staging_[kFirstPast + p].get(pairs_[p].dtype, {rows(), pairs_[p].heads, length, pairs_[p].width});
    if (length > 0) cache_.read(in_cache_[p], past.mutable_view());
    return past;
  }

  /// int64 [rows]: the source that each row reads.
  Tensor source_rows(const DecoderGraph& graph) const {
    const auto pair = static_cast<size_t>(std::ranges::find(graph.shared, true) - graph.shared.begin());
    const auto rows_of = cross_[pair].rows();
    return Tensor(DType::kI64, {rows()}, nullptr, reinterpret_cast<const std::byte*>(rows_of.data()));
  }

  void run(DecoderGraph& graph, int64_t first, int64_t count) {
    const bool all = wanted_.logits == Logits::kAll;
    const Span span{first, count, graph.last_rows ? (all ? std::min(count, wanted_.count) : 1) : count};
    MemoryScope scope(graph.model->budget());
    for (size_t i = 0; i < graph.inputs.size(); ++i) graph.values[i] = input(graph, i, span);
    // What the caller wants is written where it wants it; what it does not want, or in parts, takes a detour.
    const bool direct = wanted_.logits != Logits::kNone && span.last == (all ? wanted_.count : 1) &&
                        first + count == wanted_.first + wanted_.count;
    const Extents extents{rows(), span.last, vocabulary_};
    Tensor& logits = graph.lent[static_cast<size_t>(graph.logits)];
    logits = direct ? Tensor(DType::kF32, extents, nullptr, reinterpret_cast<const std::byte*>(wanted_.out))
                    : detour_.get(DType::kF32, extents);
    if (keeps_hidden_)
      graph.lent[static_cast<size_t>(graph.hidden)] = run_hidden_.get(DType::kF32, {rows(), count, hidden_width()});
    if (is_step(graph) && keeps_all(graph)) {
      graph.execution->run_into(graph.values, graph.lent, settings_);
    } else {
      const auto results = graph.execution->run(graph.values, graph.lent, {}, settings_);
      for (size_t p = 0; cached() && p < pairs_.size(); ++p) keep(graph, p, results, span);
    }
    ++statistics_.runs;
    if (cached()) cache_.advance(count);
    if (!direct) take_logits(logits, span);
    if (keeps_hidden_) take_hidden(graph.lent[static_cast<size_t>(graph.hidden)], span);
  }

  int64_t hidden_width() const {
    const DecoderGraph& graph = step_ ? *step_ : *first_;
    return graph.model->outputs()[static_cast<size_t>(graph.hidden)].fact.shape[2].value();
  }

  /// Copies the hidden states of a run to their places among those of the call.
  void take_hidden(const Tensor& from, const Span& run) {
    const int64_t width = hidden_width(), first = std::max(run.first, wanted_.first);
    const int64_t count = run.first + run.count - first;
    for (int64_t r = 0; r < rows(); ++r) {
      float* to = hidden_.mutable_view().as<float>() + (r * wanted_.count + first - wanted_.first) * width;
      std::memcpy(to, from.as<float>() + (r * run.count + first - run.first) * width,
                  static_cast<size_t>(count * width) * sizeof(float));
    }
  }

  /// Every pair that grows is written in place.
  bool keeps_all(const DecoderGraph& graph) const {
    for (size_t p = 0; p < pairs_.size(); ++p) {
      if (!pairs_[p].cross && !graph.in_place[p]) return false;
    }
    return true;
  }

  /// Puts what a run gives of a pair into the cache.
  void keep(const DecoderGraph& graph, size_t pair, const std::vector<Value>& results, const Span& run) {
    const DecoderPair& p = pairs_[pair];
    if (graph.in_place[pair] || (p.cross && is_step(graph))) return;
    const int index = graph.presents[pair];
    if (index < 0)
      fail(ErrorKind::kUnsupportedModel, "the graph has no output for '", p.name,
           "', which the next step takes as an input");
    const Tensor& present = results[static_cast<size_t>(index)].tensor();
    if (p.cross) return cross_[pair].set(present);
    const Extents wanted{rows(), p.heads, run.first + run.count, p.width};
    if (!(present.extents() == wanted) || present.dtype() != p.dtype) {
      fail(ErrorKind::kUnsupportedModel, "the graph gives ", present.extents().text(), " for '", p.name, "' where ",
           wanted.text(), " is needed");
    }
    cache_.write(in_cache_[pair], present.view(), run.first);
  }

  /// Copies the logits of a run where the caller wants them.
  void take_logits(const Tensor& logits, const Span& run) {
    if (wanted_.logits == Logits::kNone) return;
    const bool all = wanted_.logits == Logits::kAll;
    const int64_t end = run.first + run.count, have = end - run.last;
    const int64_t from = all ? std::max(have, wanted_.first) : wanted_.first + wanted_.count - 1;
    if (end <= from) return;
    for (int64_t r = 0; r < rows(); ++r) {
      float* out = wanted_.out + (all ? r * wanted_.count + from - wanted_.first : r) * vocabulary_;
      std::memcpy(out, logits.as<float>() + (r * run.last + from - have) * vocabulary_,
                  static_cast<size_t>((end - from) * vocabulary_) * sizeof(float));
    }
  }

  DecoderOptions options_;
  DecoderFiles files_;
  std::vector<DecoderPair> pairs_;
  std::vector<size_t> in_cache_;  ///< of each pair that grows its index in the cache
  std::unique_ptr<Session> encoder_;
  std::optional<DecoderGraph> first_, step_;
  bool with_source_ = false;
  int64_t vocabulary_ = 0;
  RunSettings settings_;

  KvCache cache_;
  TokenHistory history_;
  Tensor states_, source_mask_;
  SourceRows source_, source_masks_;
  std::vector<SourceRows> cross_;
  std::vector<Staging> staging_;
  Staging logits_, detour_, hidden_memory_, run_hidden_;
  bool keeps_hidden_ = false;
  Tensor hidden_;
  Wanted wanted_;
  DecoderStatistics statistics_;
};

}  // namespace

DecoderLayout decoder_layout(std::string_view name) {
  if (name == "automatic") return DecoderLayout::kAutomatic;
  if (name == "merged") return DecoderLayout::kMerged;
  if (name == "split") return DecoderLayout::kSplit;
  if (name == "single") return DecoderLayout::kSingle;
  if (name == "no-past") return DecoderLayout::kNoPast;
  fail(ErrorKind::kInvalidInput, "'", name,
       "' is no decoder layout; it must be automatic, merged, split, single or no-past");
}

std::unique_ptr<Decoder> Decoder::open(const std::filesystem::path& folder, const DecoderOptions& options) {
  try {
    return std::make_unique<HubDecoder>(find_decoder(folder, options.layout, options.variant), options);
  } catch (Error& e) {
    e.within(cat("folder '", folder.string(), "'"));
    throw;
  }
}

}  // namespace sdx::engine
