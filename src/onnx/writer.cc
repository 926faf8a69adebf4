// Writing: choosing between one file and two, and streaming them to disk.
#include "onnx/writer.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "base/error.h"
#include "onnx/encode.h"
#include "onnx/fields.h"
#include "onnx/tensor_data.h"

namespace sdx::onnx {
namespace {

/// Protobuf counts the bytes of a message in a signed 32-bit number.
constexpr uint64_t kLargestMessage = (uint64_t{1} << 31) - 1;

void require_size(const Rope& rope) {
  if (rope.size() <= kLargestMessage) return;
  fail(ErrorKind::kResource, "the model takes ", rope.size(), " bytes in one file but at most ", kLargestMessage,
       " are possible; store its weights as external data");
}

std::string flatten(const Rope& rope) {
  std::string out;
  out.reserve(rope.size());
  rope.for_each_piece([&](std::string_view piece) { out += piece; });
  return out;
}

/// The tensors of the second file, in order, with their places.
class DataLayout {
 public:
  struct Entry {
    const TensorView* tensor;
    uint64_t offset;
    uint64_t size;
  };

  DataLayout(std::string location, uint64_t smallest) : location_(std::move(location)), smallest_(smallest) {}

  bool wants(const TensorView& tensor) const {
    return tensor.type != DataType::kString && storage_bytes(tensor) >= std::max<uint64_t>(smallest_, 1);
  }

  /// Gives `tensor` the next place and encodes the reference to it.
  Rope place(const TensorView& tensor) {
    constexpr uint64_t kPage = 4096;
    constexpr uint64_t kCacheLine = 64;
    constexpr uint64_t kLarge = uint64_t{1} << 20;
    const uint64_t size = storage_bytes(tensor);
    const uint64_t alignment = size >= kLarge ? kPage : kCacheLine;
    const uint64_t offset = (end_ + alignment - 1) / alignment * alignment;
    entries_.push_back({&tensor, offset, size});
    end_ = offset + size;
    Rope out = encode_tensor_head(tensor);
    const auto add = [&](std::string_view key, const std::string& value) {
      out.message(fields::tensor::kExternalData, encode(StringPair{key, value}));
    };
    add("location", location_);
    add("offset", std::to_string(offset));
    add("length", std::to_string(size));
    out.integer(fields::tensor::kDataLocation, 1);
    return out;
  }

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::string location_;
  uint64_t smallest_;
  std::vector<Entry> entries_;
  uint64_t end_ = 0;
};

/// A tensor with its elements in the model file; external ones are fetched from `source`.
Rope encode_inline(const TensorView& tensor, const TensorSource& source) {
  if (!tensor.external) return encode_tensor(tensor);
  Rope out = encode_tensor_head(tensor);
  out.bytes(fields::tensor::kRawData, source(tensor));
  return out;
}

void write_file(const Rope& rope, AtomicFile& file) {
  require_size(rope);
  rope.for_each_piece([&](std::string_view piece) { file.write(piece); });
}

void write_data(const DataLayout& layout, const TensorSource& source, AtomicFile& file) {
  for (const DataLayout::Entry& entry : layout.entries()) {
    const SharedBytes bytes = source(*entry.tensor);
    if (bytes.bytes.size() != entry.size) {
      fail(ErrorKind::kInternal, "the source gave ", bytes.bytes.size(), " bytes for a tensor of ", entry.size);
    }
    file.pad_to(entry.offset);
    file.write(bytes.bytes);
  }
}

void check_data_name(const std::string& name, const std::filesystem::path& model) {
  if (name != "." && name != ".." && name != model.filename() && name.find('/') == std::string::npos) return;
  fail(ErrorKind::kInvalidInput, "'", name,
       "' cannot be the name of the file with the weights; give another plain file name");
}

}  // namespace

std::string write_model(const ModelView& model) {
  const Rope rope = Encoder(encode_tensor, encode_tensor).encode(model);
  require_size(rope);
  return flatten(rope);
}

std::string write_tensor(const TensorView& tensor) {
  const Rope rope = encode_tensor(tensor);
  require_size(rope);
  return flatten(rope);
}

void save_model(const ModelView& model, const std::filesystem::path& path, const TensorSource& source,
                const SaveOptions& options) {
  const auto inline_tensor = [&](const TensorView& tensor) { return encode_inline(tensor, source); };
  const Rope whole = Encoder(inline_tensor, inline_tensor).encode(model);
  if (whole.size() <= std::min(options.inline_limit, kLargestMessage)) {
    AtomicFile file(path);
    write_file(whole, file);
    file.commit();
    return;
  }
  const std::string name = options.data_name.empty() ? path.filename().string() + "_data" : options.data_name;
  check_data_name(name, path);
  DataLayout layout(name, options.smallest_external);
  const auto place = [&](const TensorView& tensor) {
    return layout.wants(tensor) ? layout.place(tensor) : inline_tensor(tensor);
  };
  const Rope graph = Encoder(place, inline_tensor).encode(model);
  AtomicFile file(path);
  write_file(graph, file);
  if (!layout.entries().empty()) {
    AtomicFile data(path.parent_path() / name);
    write_data(layout, source, data);
    data.commit();
  }
  file.commit();
}

void save_model(const ModelFile& file, const std::filesystem::path& path, const SaveOptions& options) {
  const TensorView* last = nullptr;
  const auto source = [&](const TensorView& tensor) {
    // Without this, the pages of all weights would count as this process's memory in the end.
    if (last != nullptr) file.release(*last);
    last = &tensor;
    return file.tensor_bytes(tensor);
  };
  save_model(file.model(), path, source, options);
}

}  // namespace sdx::onnx
