// Peer: ONNX Runtime's own library, opened in this process, so that both run the same model on the same inputs.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace sdx::peer {

/// The file below `folder`/node_modules/onnxruntime-node that holds the library for this machine; empty if none does.
std::filesystem::path library_in(const std::filesystem::path& folder);

/// The opened library. Shared by everything made from it; it is never unloaded.
class Library {
 public:
  /// Throws Resource where the file is missing or is no ONNX Runtime.
  static std::shared_ptr<const Library> open(const std::filesystem::path& path);

  /// For example "1.30.0".
  const std::string& version() const { return version_; }

  class Calls;
  const Calls& calls() const { return *calls_; }

 private:
  std::string version_;
  std::shared_ptr<const Calls> calls_;
};

/// A tensor as the peer holds it. Empty by default.
class PeerValue {
 public:
  PeerValue() = default;
  /// Borrows the tensor's memory and keeps it alive. Throws UnsupportedModel for strings.
  PeerValue(std::shared_ptr<const Library> library, const Tensor& tensor);
  /// Takes over a value that the library made.
  PeerValue(std::shared_ptr<const Library> library, void* handle);

  void* handle() const { return handle_.get(); }
  /// The elements where they are; the tensor keeps the value alive. Undefined for what is no tensor of numbers.
  Tensor tensor() const;

 private:
  std::shared_ptr<const Library> library_;
  std::shared_ptr<void> handle_;
};

struct PeerOptions {
  int threads = 1;  ///< intra-op threads, the calling one included
};

/// A model loaded by the peer with every graph optimisation; its threads spin as they do by default.
class PeerSession {
 public:
  /// Throws Resource with the library's own message where loading fails.
  PeerSession(std::shared_ptr<const Library> library, const std::filesystem::path& model, const PeerOptions& options);

  const std::shared_ptr<const Library>& library() const { return library_; }
  const std::vector<std::string>& inputs() const { return input_names_; }
  const std::vector<std::string>& outputs() const { return output_names_; }

  /// The declared sizes of an input, -1 where they vary. Throws InvalidInput where there is no such input.
  std::vector<int64_t> input_dims(const std::string& name) const;

  /// `values` in the order of inputs(). The results are in the order of outputs().
  std::vector<PeerValue> run(std::span<const PeerValue> values) const;

 private:
  friend class PeerBinding;
  std::shared_ptr<const Library> library_;
  std::shared_ptr<void> session_;
  std::vector<std::string> input_names_, output_names_;
};

/// Inputs and outputs bound to a session by name, for loops in which an output is the next step's input without a copy.
class PeerBinding {
 public:
  explicit PeerBinding(const PeerSession& session);

  void bind_input(const std::string& name, const PeerValue& value);
  /// The library allocates this output at each run.
  void bind_output(const std::string& name);
  void bind_output(const std::string& name, const PeerValue& value);
  void clear();
  void run();
  /// Results of the last run in the order in which outputs were bound.
  std::vector<PeerValue> results() const;

 private:
  const PeerSession& session_;
  std::shared_ptr<void> binding_;
  std::vector<PeerValue> bound_;  ///< the binding refers to their memory
};

}  // namespace sdx::peer
