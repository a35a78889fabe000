#include "os/words.hpp"

#include <new>
#include <stdexcept>

#include <wordexp.h>

namespace coproc::os {

namespace {

const char* reason(int error) {
  switch (error) {
  case WRDE_BADCHAR:
    return "it has an unquoted |, &, ;, <, >, (, ), {, } or newline";
  case WRDE_CMDSUB:
    return "it has a command substitution";
  case WRDE_SYNTAX:
    return "its quotes or parentheses are not balanced";
  default:
    return "it cannot be expanded";
  }
}

struct expansion {
  wordexp_t words{};
  ~expansion() { ::wordfree(&words); }
};

} // namespace

// Boost.Process v2's shell does the same, but is header-only up to Boost 1.85 alone.
std::vector<std::string> split_words(const std::string& line) {
  expansion expanded;
  int error = ::wordexp(line.c_str(), &expanded.words, WRDE_NOCMD);
  if (error == WRDE_NOSPACE) throw std::bad_alloc();
  if (error) {
    expanded.words = {}; // what is in it after an error is unspecified, wordexp(3)
    throw std::invalid_argument("command: cannot split '" + line + "' into words: " + reason(error));
  }
  return {expanded.words.we_wordv, expanded.words.we_wordv + expanded.words.we_wordc};
}

} // namespace coproc::os
