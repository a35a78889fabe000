#include "os/memory_segment.hpp"
#include "os/stack.hpp"

#include <coproc/wire.hpp>

#include <algorithm>
#include <string>
#include <typeinfo>

namespace coproc::wire::impl {

void expect_much_memory(void* memory, std::size_t size) noexcept { os::advise_huge_pages(memory, size); }

void throw_too_deep() {
  throw error("wire: values hold each other more than " + std::to_string(max_depth) + " levels deep");
}

void look_at_stack(stack_room& room, std::uintptr_t at, std::size_t size) {
  if (!room.known) {
    constexpr std::uintptr_t reserve = 128 << 10; // for what happens on one level
    const std::uintptr_t end = os::end_of_stack(at);
    room.low = end == 0 ? 0 : end + std::min(reserve, (at - end) / 2);
    room.known = true;
  }
  if (at < room.low || at - room.low < size)
    throw error("wire: values hold each other more deeply than there is stack for");
}

void throw_left_over(std::size_t left) {
  throw error("wire: " + std::to_string(left) + " bytes are left over after the value");
}

void throw_truncated(std::size_t needed, std::size_t left) {
  throw error("wire: expected " + std::to_string(needed) + " more bytes, but there are only " +
              std::to_string(left));
}

void throw_bad_length(std::uint64_t count, std::size_t min_size, std::size_t left) {
  throw error("wire: a length of " + std::to_string(count) + " elements of at least " +
              std::to_string(min_size) + " bytes, but only " + std::to_string(left) + " bytes are left");
}

void throw_unexpected(const char* what, std::uint64_t found) {
  throw error(std::string("wire: expected ") + what + ", found " + std::to_string(found));
}

void throw_sliced(const std::type_info& pointer, const std::type_info& object) {
  throw error(std::string("wire: a pointer to ") + pointer.name() + " holds an object of the derived class " +
              object.name() + ", which the receiver could not make");
}

} // namespace coproc::wire::impl
