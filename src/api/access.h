// Ways from public types to internal ones and back.
#pragma once

#include "rewrite/weight_folder.h"
#include "sardonyx/model.h"
#include "tensor/tensor.h"

namespace sardonyx {

struct Access {
  static Tensor wrap(const sdx::Tensor& t) {
    Tensor out;
    out.type_ = static_cast<DataType>(t.dtype());
    out.shape_.assign(t.extents().begin(), t.extents().end());
    out.count_ = static_cast<size_t>(t.extents().count());
    sdx::Tensor copy = t;
    out.data_ = copy.mutable_view().data;
    out.owner_ = t.owner();
    return out;
  }
  static sdx::Tensor unwrap(const Tensor& t) {
    return sdx::Tensor(static_cast<sdx::DType>(t.type_), sdx::Extents(std::span<const int64_t>(t.shape_)), t.owner_,
                       static_cast<const std::byte*>(t.data_));
  }
};

/// Null for "".
inline std::shared_ptr<sdx::rewrite::WeightFolder> weight_folder(const std::string& path) {
  return path.empty() ? nullptr : std::make_shared<sdx::rewrite::WeightFolder>(path);
}

}  // namespace sardonyx
