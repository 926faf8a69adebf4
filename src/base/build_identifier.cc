// The GNU build identifier, out of the notes that the linker writes.
#include "base/build_identifier.h"

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstring>
#include <span>

namespace sdx {
namespace {

struct Search {
  uintptr_t address;
  std::string found;
};

std::string identifier_in(const std::byte* notes, size_t bytes) {
  constexpr auto aligned = [](size_t n) { return (n + 3) / 4 * 4; };
  while (bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes, sizeof(note));
    const size_t whole = sizeof(note) + aligned(note.n_namesz) + aligned(note.n_descsz);
    if (whole > bytes) return "";
    const std::byte* const name = notes + sizeof(note);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
      return {reinterpret_cast<const char*>(name + aligned(note.n_namesz)), note.n_descsz};
    notes += whole;
    bytes -= whole;
  }
  return "";
}

int visit(dl_phdr_info* info, size_t, void* given) {
  Search& search = *static_cast<Search*>(given);
  const std::span<const ElfW(Phdr)> headers(info->dlpi_phdr, info->dlpi_phnum);
  bool holds = false;
  for (const ElfW(Phdr) & h : headers) {
    const uintptr_t begin = info->dlpi_addr + h.p_vaddr;
    holds |= h.p_type == PT_LOAD && search.address >= begin && search.address - begin < h.p_memsz;
  }
  if (!holds) return 0;
  for (const ElfW(Phdr) & h : headers) {
    if (h.p_type != PT_NOTE || !search.found.empty()) continue;
    search.found = identifier_in(reinterpret_cast<const std::byte*>(info->dlpi_addr + h.p_vaddr), h.p_memsz);
  }
  return 1;
}

}  // namespace

std::string build_identifier() {
  Search search{reinterpret_cast<uintptr_t>(&build_identifier), ""};
  dl_iterate_phdr(visit, &search);
  return search.found;
}

}  // namespace sdx
