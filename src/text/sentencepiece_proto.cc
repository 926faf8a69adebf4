// Reading a SentencePiece .model file.
#include "text/sentencepiece_proto.h"

#include <protozero/pbf_reader.hpp>

#include "base/error.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxPieces = 16'000'000;
constexpr size_t kMaxPieceBytes = 4096;  ///< bounds the steps that a byte of text takes

[[noreturn]] void broken(const char* what) {
  fail(ErrorKind::kInvalidModel, "the SentencePiece file has ", what, "; it may be truncated, fetch it again");
}

/// Checks the wire type of the reader's field, so that a mistyped one is an error and not a misreading.
void expect(const protozero::pbf_reader& field, protozero::pbf_wire_type type, const char* what) {
  if (field.wire_type() != type) broken(what);
}

std::string bytes_of(protozero::pbf_reader& field, const char* what) {
  expect(field, protozero::pbf_wire_type::length_delimited, what);
  const auto view = field.get_view();
  return {view.data(), view.size()};
}

int64_t number_of(protozero::pbf_reader& field, const char* what) {
  expect(field, protozero::pbf_wire_type::varint, what);
  return static_cast<int64_t>(field.get_uint64());
}

protozero::pbf_reader message_of(protozero::pbf_reader& field, const char* what) {
  expect(field, protozero::pbf_wire_type::length_delimited, what);
  return field.get_message();
}

SpmEntry read_entry(protozero::pbf_reader message) {
  SpmEntry entry;
  while (message.next()) {
    if (message.tag() == 1) {
      entry.text = bytes_of(message, "a piece that is no string");
      if (entry.text.size() > kMaxPieceBytes) broken("a piece of more than 4096 bytes");
    } else if (message.tag() == 2) {
      expect(message, protozero::pbf_wire_type::fixed32, "a score that is no float");
      entry.score = message.get_float();
    } else if (message.tag() == 3) {
      const int64_t type = number_of(message, "a piece type that is no number");
      if (type < 1 || type > 6) broken("a piece type outside 1 to 6");
      entry.type = static_cast<PieceType>(type);
    } else {
      message.skip();
    }
  }
  return entry;
}

void read_trainer(protozero::pbf_reader message, SpmProto& proto) {
  while (message.next()) {
    if (message.tag() == 3) {
      const int64_t kind = number_of(message, "a model type that is no number");
      if (kind < 1 || kind > 4) broken("a model type outside 1 to 4");
      proto.kind = static_cast<SpmKind>(kind);
    } else if (message.tag() == 24) {
      proto.treat_whitespace_as_suffix = number_of(message, "a flag that is no number") != 0;
    } else if (message.tag() == 35) {
      proto.byte_fallback = number_of(message, "a flag that is no number") != 0;
    } else if (message.tag() == 44) {
      proto.unknown_surface = bytes_of(message, "a surface that is no string");
    } else {
      message.skip();
    }
  }
}

void read_normalizer(protozero::pbf_reader message, SpmNormalizerSpec& spec) {
  while (message.next()) {
    if (message.tag() == 2) {
      spec.charsmap = bytes_of(message, "a character map that is no byte string");
    } else if (message.tag() == 3) {
      spec.add_dummy_prefix = number_of(message, "a flag that is no number") != 0;
    } else if (message.tag() == 4) {
      spec.remove_extra_whitespaces = number_of(message, "a flag that is no number") != 0;
    } else if (message.tag() == 5) {
      spec.escape_whitespaces = number_of(message, "a flag that is no number") != 0;
    } else {
      message.skip();
    }
  }
}

}  // namespace

SpmProto SpmProto::parse(std::string_view bytes) try {
  SpmProto proto;
  protozero::pbf_reader message(bytes.data(), bytes.size());
  while (message.next()) {
    if (message.tag() == 1) {
      if (proto.pieces.size() == kMaxPieces) broken("more than 16 million pieces");
      proto.pieces.push_back(read_entry(message_of(message, "a piece that is no message")));
    } else if (message.tag() == 2) {
      read_trainer(message_of(message, "a trainer specification that is no message"), proto);
    } else if (message.tag() == 3) {
      read_normalizer(message_of(message, "a normaliser that is no message"), proto.normalizer);
    } else if (message.tag() == 5) {
      read_normalizer(message_of(message, "a denormaliser that is no message"), proto.denormalizer);
    } else {
      message.skip();
    }
  }
  if (proto.pieces.empty()) broken("no pieces");
  return proto;
} catch (const protozero::exception& error) {
  broken(error.what());
}

}  // namespace sdx::text
