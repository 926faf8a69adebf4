// The public Generator: conversions between public and internal types.
#include "sardonyx/generate.h"

#include <nlohmann/json.hpp>

#include "api/access.h"
#include "api/translate.h"
#include "generate/generate.h"

namespace sardonyx {
namespace {

using sdx::api::guarded;
namespace gen = sdx::generate;

std::vector<int64_t> copy(std::span<const int64_t> ids) { return {ids.begin(), ids.end()}; }

nlohmann::json parsed(const std::string& key, const std::string& text) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded())
    sdx::fail(sdx::ErrorKind::kInvalidInput, "argument '", key, "' is '", text, "', which is no JSON; quote strings");
  return json;
}

gen::Hooks hooks_of(const GenerationRequest& request) {
  gen::Hooks out;
  out.seed = request.seed;
  out.prefill_chunk = request.prefill_chunk;
  out.on_token = request.on_token;
  if (request.should_stop)
    out.should_stop = [&](size_t i, std::span<const int64_t> ids) { return request.should_stop(i, copy(ids)); };
  if (request.prefix_allowed)
    out.prefix_allowed = [&](size_t i, std::span<const int64_t> ids) { return request.prefix_allowed(i, copy(ids)); };
  if (request.text_of) out.text_of = [&](std::span<const int64_t> ids) { return request.text_of(copy(ids)); };
  return out;
}

Generation external(gen::Result result) {
  Generation out{{}, result.prompt_length, result.new_tokens, result.prefill_seconds, result.decode_seconds};
  for (gen::Sequence& s : result.sequences)
    out.sequences.push_back({std::move(s.ids), s.length, s.score, std::move(s.logprobs), gen::finish_name(s.finish)});
  return out;
}

}  // namespace

struct Generator::Impl {
  std::unique_ptr<sdx::engine::Decoder> decoder;
  gen::GenerationConfig config;
  std::vector<std::string> notes;
  sdx::engine::RunSettings settings;
};

Generator::Generator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generator::~Generator() = default;
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;

Generator Generator::load(const std::string& folder, const GeneratorOptions& options) {
  return guarded([&] {
    auto impl = std::make_unique<Impl>();
    impl->config = gen::read_config(folder, &impl->notes);
    sdx::engine::DecoderOptions internal;
    internal.layout = sdx::engine::decoder_layout(options.layout);
    internal.variant = options.variant;
    internal.candidates = true;
    internal.model.memory_limit = options.memory_limit;
    internal.model.rewrite.weights = weight_folder(options.weight_folder);
    internal.cache_limit = options.cache_limit;
    impl->decoder = sdx::engine::Decoder::open(folder, internal);
    impl->settings.parallel = sdx::Parallel(options.threads);
    return Generator(std::move(impl));
  });
}

Generation Generator::generate(const GenerationRequest& request) {
  return guarded([&] {
    gen::GenerationConfig config = impl_->config;
    for (const auto& [key, text] : request.arguments) gen::set_argument(config, key, parsed(key, text));
    gen::Hooks hooks = hooks_of(request);
    if (request.cancel) hooks.cancel = request.cancel->flag_.get();
    sdx::engine::RunSettings settings = impl_->settings;
    settings.cancel = hooks.cancel;
    impl_->decoder->set_run_settings(settings);
    gen::Prompts prompts{request.ids, request.mask, {}};
    if (request.features.size() > 0) prompts.features = Access::unwrap(request.features);
    return external(gen::generate(*impl_->decoder, prompts, config, hooks));
  });
}

bool Generator::is_encoder_decoder() const { return impl_->decoder->is_encoder_decoder(); }
bool Generator::cached() const { return impl_->decoder->cached(); }
int64_t Generator::vocabulary() const { return impl_->decoder->vocabulary(); }
const std::vector<std::string>& Generator::notes() const { return impl_->notes; }

}  // namespace sardonyx
