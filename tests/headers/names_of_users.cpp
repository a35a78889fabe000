// A program with warnings on, and with globals of the names that run_main likes, too: g++ looks at the
// parameters of a lambda again where the template around it is used.
#include <coproc/run_main.hpp>

#include <string>
#include <vector>

int amain, argc, argument, arguments, args, argv, code, function, result;

asio::awaitable<int> count(std::vector<std::string> words) { co_return static_cast<int>(words.size()); }

int main(int count_of_words, char** words) { return coproc::run_main(count_of_words, words, count); }
