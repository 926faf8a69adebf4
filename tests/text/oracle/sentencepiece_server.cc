// Answers questions with Debian's libsentencepiece, a JSON object a line in and a JSON value a line out, for the oracle
// test.
#include <sentencepiece_processor.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {

using nlohmann::json;

/// {"text": t} gives {"ids", "pieces", "spans"} (byte spans of t); {"ids": [...]} and {"join": [pieces]} give the
/// decoded string; {"vocabulary": true} gives every piece.
json answer(const sentencepiece::SentencePieceProcessor& processor, const json& question) {
  if (question.contains("ids")) return processor.DecodeIds(question["ids"].get<std::vector<int>>());
  if (question.contains("join")) return processor.DecodePieces(question["join"].get<std::vector<std::string>>());
  json result = {{"ids", json::array()}, {"pieces", json::array()}, {"spans", json::array()}};
  if (question.contains("vocabulary")) {
    for (int id = 0; id < processor.GetPieceSize(); ++id) result["pieces"].push_back(processor.IdToPiece(id));
    return result;
  }
  const auto encoded = processor.EncodeAsImmutableProto(question["text"].get<std::string>());
  for (const auto& piece : encoded.pieces()) {
    result["ids"].push_back(piece.id());
    result["pieces"].push_back(piece.piece());
    result["spans"].push_back({piece.begin(), piece.end()});
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  sentencepiece::SentencePieceProcessor processor;
  if (argc != 2 || !processor.Load(argv[1]).ok()) {
    std::cerr << "usage: sentencepiece_server MODEL (a readable .model file)\n";
    return 2;
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << answer(processor, json::parse(line)).dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
  }
}
