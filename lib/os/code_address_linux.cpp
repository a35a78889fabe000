#include "os/code_address.hpp"

#include <climits>
#include <cstring>
#include <stdexcept>

#include <elf.h>
#include <link.h>
#include <unistd.h>

namespace coproc::os {

namespace {

bool covers(const dl_phdr_info& module, std::uintptr_t address) {
  for (unsigned i = 0; i != module.dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = module.dlpi_phdr[i];
    if (part.p_type != PT_LOAD || !(part.p_flags & PF_X)) continue;
    std::uintptr_t first = module.dlpi_addr + part.p_vaddr;
    if (address >= first && address - first < part.p_memsz) return true;
  }
  return false;
}

/// The note that the linker was asked for with --build-id, as Debian's compilers do (ld(1)).
std::string_view build_id(const dl_phdr_info& module) {
  for (unsigned i = 0; i != module.dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = module.dlpi_phdr[i];
    if (part.p_type != PT_NOTE) continue;
    const char* at = reinterpret_cast<const char*>(module.dlpi_addr + part.p_vaddr);
    const char* end = at + part.p_memsz;
    std::size_t alignment = part.p_align == 8 ? 8 : 4;
    auto padded = [alignment](std::size_t size) { return (size + alignment - 1) / alignment * alignment; };
    while (static_cast<std::size_t>(end - at) >= sizeof(ElfW(Nhdr))) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const char* name = at + sizeof note;
      const char* value = name + padded(note.n_namesz);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
        return {value, note.n_descsz};
      if (padded(note.n_namesz) + padded(note.n_descsz) > static_cast<std::size_t>(end - name)) break;
      at = value + padded(note.n_descsz);
    }
  }
  return {};
}

/// In place of a build id: FNV-1a over the code, which position-independent files map unchanged.
std::string digest(const dl_phdr_info& module) {
  std::uint64_t hash = 14695981039346656037u;
  std::uint64_t size = 0;
  for (unsigned i = 0; i != module.dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = module.dlpi_phdr[i];
    if (part.p_type != PT_LOAD || !(part.p_flags & PF_X) || (part.p_flags & PF_W)) continue;
    const char* at = reinterpret_cast<const char*>(module.dlpi_addr + part.p_vaddr);
    size += part.p_filesz;
    // Eight bytes at a time: it is to tell two builds apart, not to withstand an attack.
    for (std::size_t done = 0; done + 8 <= part.p_filesz; done += 8) {
      std::uint64_t word;
      std::memcpy(&word, at + done, 8);
      hash = (hash ^ word) * 1099511628211u;
      hash ^= hash >> 29;
    }
  }
  std::string result("code");
  result.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  result.append(reinterpret_cast<const char*>(&size), sizeof size);
  return result;
}

std::string path_of_program() {
  char path[PATH_MAX];
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : std::string("the program");
}

std::string path_of(const dl_phdr_info& module) {
  if (module.dlpi_name && *module.dlpi_name) return module.dlpi_name;
  static const std::string program = path_of_program();
  return program;
}

template <class Function>
void for_each_module(Function visit) {
  ::dl_iterate_phdr([](dl_phdr_info* module, std::size_t,
                       void* argument) { return (*static_cast<Function*>(argument))(*module) ? 1 : 0; },
                    &visit);
}

} // namespace

code_address address_of(const void* function) {
  auto address = reinterpret_cast<std::uintptr_t>(function);
  code_address result;
  bool found = false;
  for_each_module([&](const dl_phdr_info& module) {
    if (!covers(module, address)) return false;
    found = true;
    std::string_view id = build_id(module);
    result.module_id = id.empty() ? digest(module) : std::string(id);
    result.module_path = path_of(module);
    result.offset = address - module.dlpi_addr;
    return true;
  });
  if (!found) throw std::invalid_argument("target: the function is in no file that the program has loaded");
  return result;
}

const void* find_code(std::string_view module_id, std::uint64_t offset) noexcept {
  const void* result = nullptr;
  for_each_module([&](const dl_phdr_info& module) {
    std::uintptr_t address = module.dlpi_addr + offset;
    if (!covers(module, address)) return false;
    std::string_view id = build_id(module);
    bool same;
    if (id.empty())
      same = module_id.starts_with("code") && digest(module) == module_id;
    else
      same = id == module_id;
    if (same) result = reinterpret_cast<const void*>(address);
    return same;
  });
  return result;
}

} // namespace coproc::os
