// NumPy's .npz archives: named arrays in one ZIP file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace sdx::cli {

/// The files of an archive by name without ".npy", stored or deflated, as bytes for read_npy(). Throws Resource where
/// the file cannot be read and InvalidInput where it is no archive or a part is broken or over 64 GiB.
std::map<std::string, std::string> read_npz(const std::filesystem::path& path);

/// Writes the tensors, uncompressed as numpy.savez does; the file appears when it is complete. Throws Resource.
void write_npz(const std::filesystem::path& path, const std::vector<std::pair<std::string, Tensor>>& arrays);

}  // namespace sdx::cli
