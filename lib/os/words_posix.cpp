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

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

/// To glibc, empty quotes at the beginning of a word are a word of their own: `''x` are two. So they go.
std::string without_leading_empty_quotes(const std::string& line) {
  std::string result;
  result.reserve(line.size() + 1);
  char quote = 0;
  bool at_word = true;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool opens = quote == 0 && (c == '\'' || c == '"');
    if (opens && at_word && i + 2 < line.size() && line[i + 1] == c && !is_blank(line[i + 2])) {
      ++i;
      if (line[i + 1] == '~') result += '\\'; // it was no home directory, and is none now
      continue;
    }
    at_word = quote == 0 && is_blank(c);
    result += c;
    if (opens)
      quote = c;
    else if (c == quote)
      quote = 0;
    else if (c == '\\' && quote != '\'' && i + 1 < line.size())
      result += line[++i];
  }
  return result;
}

} // namespace

// Boost.Process v2's shell does the same, but is header-only up to Boost 1.85 alone.
std::vector<std::string> split_words(const std::string& line) {
  expansion expanded;
  int error = ::wordexp(without_leading_empty_quotes(line).c_str(), &expanded.words, WRDE_NOCMD);
  if (error == WRDE_NOSPACE) throw std::bad_alloc();
  if (error) {
    expanded.words = {}; // what is in it after an error is unspecified, wordexp(3)
    throw std::invalid_argument("command: cannot split '" + line + "' into words: " + reason(error));
  }
  return {expanded.words.we_wordv, expanded.words.we_wordv + expanded.words.we_wordc};
}

} // namespace coproc::os
