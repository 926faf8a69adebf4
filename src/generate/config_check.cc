// GenerationConfig: what several arguments together ask for, and whether they fit each other and the model.
#include "base/error.h"
#include "generate/config.h"

namespace sdx::generate {

bool is_contrastive(const GenerationConfig& c) {
  return c.penalty_alpha.value_or(0) > 0 && c.top_k > 1 && c.num_beams == 1 && !c.do_sample;
}

void check(const GenerationConfig& c) {
  if (c.num_beams % c.num_beam_groups != 0)
    fail(ErrorKind::kInvalidInput, "num_beams is ", c.num_beams, " but must be a multiple of num_beam_groups, ",
         c.num_beam_groups);
  // Rows of a decoder know what they have in common with each other: memory is quadratic in their number.
  constexpr int64_t kMostBeams = 4096;
  for (const auto& [name, value] :
       {std::pair{"num_beams", c.num_beams}, {"num_return_sequences", c.num_return_sequences}}) {
    if (value > kMostBeams)
      fail(ErrorKind::kInvalidInput, name, " is ", value, " but must be at most ", kMostBeams, "; lower it");
  }
  if (c.num_beam_groups > 1 && c.do_sample)
    fail(ErrorKind::kInvalidInput, "beam groups do not sample; set do_sample=false or num_beam_groups=1");
  if (c.num_beam_groups > 1 && c.diversity_penalty <= 0)
    fail(ErrorKind::kInvalidInput, "diversity_penalty is ", c.diversity_penalty,
         " but must be above 0 where num_beam_groups is ", c.num_beam_groups);
  if (c.num_beams > 1 && c.num_return_sequences > c.num_beams)
    fail(ErrorKind::kInvalidInput, "num_return_sequences is ", c.num_return_sequences, " but there are only ",
         c.num_beams, " beams; raise num_beams");
  if (c.num_beams == 1 && !c.do_sample && c.num_return_sequences > 1)
    fail(ErrorKind::kInvalidInput, "num_return_sequences is ", c.num_return_sequences,
         " but a greedy search gives one; set do_sample=true or num_beams");
  if (c.return_timestamps && !c.no_timestamps_token_id)
    fail(ErrorKind::kInvalidInput,
         "return_timestamps needs no_timestamps_token_id; the folder's generation_config.json does not have it");
}

void check_tokens(const GenerationConfig& c, int64_t vocabulary) {
  const auto check = [&](const char* argument, int64_t token) {
    if (token >= 0 && token < vocabulary) return;
    fail(ErrorKind::kInvalidInput, "argument '", argument, "' names the token ", token, " but the vocabulary has ",
         vocabulary, " tokens; correct it");
  };
  for (const Ids& word : c.bad_words_ids) {
    for (int64_t token : word) check("bad_words_ids", token);
  }
  for (const auto& [tokens, bias] : c.sequence_bias) {
    for (int64_t token : tokens) check("sequence_bias", token);
  }
  for (int64_t token : c.suppress_tokens) check("suppress_tokens", token);
  for (int64_t token : c.begin_suppress_tokens) check("begin_suppress_tokens", token);
  for (const auto& [position, token] : c.forced_decoder_ids) check("forced_decoder_ids", token);
  for (int64_t token : c.forced_eos_token_id) check("forced_eos_token_id", token);
  if (c.forced_bos_token_id) check("forced_bos_token_id", *c.forced_bos_token_id);
}

}  // namespace sdx::generate
