// Access: the way from a public tensor to the internal one and back.
#pragma once

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

}  // namespace sardonyx
