// RunContext: moving values in and out of slots.
#include "ir/run_context.h"

#include <cstring>

namespace sdx::ir {

void copy_elements(const ConstView& from, const View& to) {
  if (from.dtype == DType::kString) {
    std::copy_n(from.as<std::string>(), from.count(), to.as<std::string>());
  } else if (const int64_t bytes = from.bytes(); bytes > 0 && from.data != to.data) {
    std::memcpy(to.data, from.data, static_cast<size_t>(bytes));
  }
}

Value to_value(const Slot& slot) {
  if (!slot.present) return {};
  if (slot.sequence) return Sequence(*slot.sequence);
  if (slot.owner) return Tensor(slot.view.dtype, slot.view.extents, slot.owner, slot.view.data);
  Tensor copy(slot.view.dtype, slot.view.extents);
  copy_elements(slot.view, copy.mutable_view());
  return copy;
}

Value lend(const Slot& slot) {
  if (!slot.present) return {};
  if (slot.sequence) return Sequence(*slot.sequence);
  return Tensor(slot.view.dtype, slot.view.extents, slot.owner, slot.view.data);
}

void fill(Slot& slot, Value value) {
  slot = {};
  slot.present = !value.empty();
  if (value.is_tensor()) {
    Tensor& t = std::get<Tensor>(value);
    slot.view = t.mutable_view();
    slot.owner = t.owner();
  } else if (value.is_sequence()) {
    slot.sequence = std::make_shared<Sequence>(std::move(std::get<Sequence>(value)));
  }
}

Value RunContext::input_value(int i) const { return has_input(i) ? to_value(*inputs_[at(i)]) : Value{}; }

View RunContext::allocate_output(int i, DType dtype, const Extents& extents) const {
  fill(*outputs_[at(i)], Tensor(dtype, extents));
  return outputs_[at(i)]->view;
}

void RunContext::set_output(int i, Value value) const {
  if (wants(i)) fill(*outputs_[at(i)], std::move(value));
}

}  // namespace sdx::ir
