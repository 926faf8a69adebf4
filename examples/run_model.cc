// Loads a model, makes inputs of ones and prints its outputs: run_model MODEL.onnx
#include <cstdio>

#include "sardonyx/model.h"

int main(int argc, char** argv) try {
  if (argc != 2) return std::fprintf(stderr, "usage: run_model MODEL.onnx\n"), 2;
  const sardonyx::Model model = sardonyx::Model::load(argv[1]);
  sardonyx::Tensors inputs;
  for (const sardonyx::ValueInfo& input : model.inputs()) {
    std::vector<int64_t> shape;
    for (const std::string& size : input.shape.value()) {
      shape.push_back(size.find_first_not_of("0123456789") == std::string::npos ? std::stoll(size) : 1);
    }
    sardonyx::Tensor tensor(input.type, shape);
    for (size_t i = 0; i < tensor.size(); ++i) {
      if (input.type == sardonyx::DataType::Int64) tensor.data<int64_t>()[i] = 1;
      if (input.type == sardonyx::DataType::Float32) tensor.data<float>()[i] = 1;
    }
    inputs[input.name] = tensor;
  }
  const sardonyx::Session session(model);
  for (const auto& [name, tensor] : session.run(inputs)) {
    std::printf("%s: %zu elements", name.c_str(), tensor.size());
    if (tensor.type() == sardonyx::DataType::Float32 && tensor.size() > 0) std::printf(", first %g", tensor.data<float>()[0]);
    std::printf("\n");
  }
} catch (const sardonyx::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
