#include <coproc/command.hpp>

#include "support/expect.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace coproc::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(command)

using coproc::command;
using coproc::stdio;

BOOST_AUTO_TEST_CASE(arguments_are_string_like_or_paths) {
  std::string_view view = "view";
  std::filesystem::path path = "/a/path";
  const std::string constant = "const";
  command c("prog", "literal", std::string("string"), view, path, constant);
  BOOST_TEST(c.to_string() == "prog literal string view /a/path const");

  static_assert(coproc::program_argument<const char*>);
  static_assert(coproc::program_argument<char(&)[3]>);
  static_assert(!coproc::program_argument<int>, "numbers are spelled out by the caller");
  static_assert(!coproc::program_argument<char>);
  static_assert(!std::is_constructible_v<command, std::string, int>);
}

BOOST_AUTO_TEST_CASE(args_takes_any_range_and_adds_up) {
  std::vector<std::string> strings{"a", "b"};
  std::set<std::filesystem::path> paths{"c", "d"};
  const char* literals[] = {"e", "f"};
  auto c = command("prog", "0").args(strings).arg("1").args(paths).args(literals);
  BOOST_TEST(c.to_string() == "prog 0 a b 1 c d e f");
  c.args(std::vector<std::string_view>{"g"}).args(std::vector<std::string>{});
  BOOST_TEST(c.to_string() == "prog 0 a b 1 c d e f g");
}

BOOST_AUTO_TEST_CASE(to_string_quotes_for_the_shell) {
  BOOST_TEST(command("ls").to_string() == "ls");
  BOOST_TEST(command("echo", "plain-text_1.0/x=y:z,a@b%c+d").to_string().find('\'') == std::string::npos);
  BOOST_TEST(command("echo", "two words").to_string() == "echo 'two words'");
  BOOST_TEST(command("if", "done").to_string() == "'if' done"); // a reserved word is one as the first only
  BOOST_TEST(command("echo", "").to_string() == "echo ''");
  BOOST_TEST(command("echo", "$HOME").to_string() == "echo '$HOME'");
  BOOST_TEST(command("echo", "a\"b").to_string() == "echo 'a\"b'");
  BOOST_TEST(command("a program").to_string() == "'a program'");
  for (const char* special :
       {"*", "?", "~", "a;b", "a|b", "a&b", "<", ">", "(x)", "`x`", "!", "#", "[a]", "{a}", "\n", "\t", "\\"})
    CHECK_CONTAINS(command("echo", special).to_string(), "'"s + special + "'");
}

BOOST_AUTO_TEST_CASE(every_option_chains_on_a_temporary_and_on_a_named_command) {
  auto all = [](auto&& c) -> decltype(auto) {
    return std::forward<decltype(c)>(c)
        .arg("x")
        .args(std::vector<std::string>{"y"})
        .cwd("/")
        .env("KEY", "value")
        .unset_env("OTHER")
        .clear_env()
        .in(stdio::null())
        .out(stdio::pipe())
        .err(stdio::merge())
        .input("bytes")
        .timeout(1s)
        .stop(coproc::stop_policy(1s))
        .check()
        .max_output(10)
        .drain_grace(1s)
        .process_group(coproc::group_mode::own)
        .die_with_parent()
        .inherit_fd(7)
        .limit(coproc::resource::core, 0, 0)
        .nice(1)
        .umask(022)
        .user(0, 0);
  };
  command named("prog");
  static_assert(std::is_same_v<decltype(all(named)), command&>);
  static_assert(std::is_same_v<decltype(all(command("prog"))), command&&>);
  BOOST_TEST(&all(named) == &named);
  BOOST_TEST(named.to_string() == "prog x y");
  command chained = all(command("prog"));
  BOOST_TEST(chained.to_string() == "prog x y");
}

BOOST_AUTO_TEST_CASE(copies_are_independent) {
  command original("prog", "a");
  command copy = original;
  copy.arg("b");
  BOOST_TEST(original.to_string() == "prog a");
  BOOST_TEST(copy.to_string() == "prog a b");
  original = copy;
  copy.arg("c");
  BOOST_TEST(original.to_string() == "prog a b");
  command& same = original;
  original = same;
  BOOST_TEST(original.to_string() == "prog a b");
  command moved = std::move(original);
  BOOST_TEST(moved.to_string() == "prog a b");
  original = command("again"); // a moved-from command can be assigned to
  BOOST_TEST(original.to_string() == "again");
  copy = std::move(moved);
  BOOST_TEST(copy.to_string() == "prog a b");
}

BOOST_AUTO_TEST_CASE(shell_is_bin_sh_with_one_line) {
  BOOST_TEST(command::shell("echo $HOME | cat").to_string() == "/bin/sh -c 'echo $HOME | cat'");
  BOOST_CHECK_THROW(command::shell("a\0b"s), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(empty_program_is_refused) {
  auto message = message_of<std::invalid_argument>([] { command(""); });
  CHECK_CONTAINS(message, "program");
}

BOOST_AUTO_TEST_CASE(nul_is_refused_by_name) {
  const std::string bad = "x\0y"s;
  command c("prog");
  auto refused = [&](auto option, const char* culprit) {
    auto message = message_of<std::invalid_argument>(option);
    CHECK_CONTAINS(message, "NUL");
    CHECK_CONTAINS(message, culprit);
  };
  refused([&] { command wrong(bad); }, "program");
  refused([&] { command("prog", bad); }, "argument");
  refused([&] { c.arg(bad); }, "argument");
  refused([&] { c.args(std::vector<std::string>{"fine", bad}); }, "argument");
  refused([&] { c.cwd(bad); }, "directory");
  refused([&] { c.env(bad, "v"); }, "environment");
  refused([&] { c.env("SOME_KEY", bad); }, "SOME_KEY");
  refused([&] { c.unset_env(bad); }, "environment");
  refused([&] { c.out(stdio::file(bad)); }, "file");
  refused([&] { c.out(stdio::append(bad)); }, "path");
  refused([&] { c.in(stdio::file(bad)); }, "file");
  BOOST_CHECK_NO_THROW(c.input(bad)); // bytes may be any
}

BOOST_AUTO_TEST_CASE(refused_argument_is_shown) {
  auto message = message_of<std::invalid_argument>([] { command("prog").arg("before\0after"s); });
  CHECK_CONTAINS(message, "before");
}

BOOST_AUTO_TEST_CASE(bad_environment_names_are_refused) {
  command c("prog");
  BOOST_CHECK_THROW(c.env("", "v"), std::invalid_argument);
  CHECK_CONTAINS(message_of<std::invalid_argument>([&] { c.env("A=B", "v"); }), "A=B");
  BOOST_CHECK_THROW(c.unset_env(""), std::invalid_argument);
  BOOST_CHECK_THROW(c.unset_env("A=B"), std::invalid_argument);
  BOOST_CHECK_NO_THROW(c.env("A", "=B="));
}

BOOST_AUTO_TEST_CASE(soft_limit_above_the_hard_one_is_refused) {
  command c("prog");
  CHECK_CONTAINS(message_of<std::invalid_argument>([&] { c.limit(coproc::resource::files, 20, 10); }), "20");
  BOOST_CHECK_NO_THROW(c.limit(coproc::resource::files, 10, coproc::unlimited));
}

BOOST_AUTO_TEST_CASE(negative_times_are_refused) {
  command c("prog");
  CHECK_CONTAINS(message_of<std::invalid_argument>([&] { c.timeout(-1ms); }), "timeout");
  CHECK_CONTAINS(message_of<std::invalid_argument>([&] { c.drain_grace(-1ms); }), "drain grace");
  BOOST_CHECK_NO_THROW(c.timeout(0ms).drain_grace(0ms));
}

BOOST_AUTO_TEST_CASE(merge_is_for_err_and_bytes_are_for_in) {
  command c("prog");
  BOOST_CHECK_THROW(c.in(stdio::merge()), std::invalid_argument);
  BOOST_CHECK_THROW(c.out(stdio::merge()), std::invalid_argument);
  BOOST_CHECK_NO_THROW(c.err(stdio::merge()));
  BOOST_CHECK_THROW(c.out(stdio::bytes("x")), std::invalid_argument);
  BOOST_CHECK_THROW(c.err(stdio::bytes("x")), std::invalid_argument);
  BOOST_CHECK_NO_THROW(c.in(stdio::bytes("x")));
  BOOST_CHECK_THROW(c.in(stdio::append("/tmp/x")), std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(command_parse)

using coproc::command;

BOOST_AUTO_TEST_CASE(what_to_string_says_is_understood) {
  // All words of up to four of these.
  constexpr std::string_view letters = "a'\"\\ ~$*#=\n";
  std::vector<std::string> words{""};
  for (std::size_t begin = 0, end = 1, length = 0; length != 4; ++length, begin = end, end = words.size())
    for (std::size_t i = begin; i != end; ++i)
      for (char letter : letters) words.push_back(words[i] + letter);
  for (const std::string& word : words) {
    const std::string line = command("echo", word, "x").to_string();
    if (command::parse(line).to_string() != line) BOOST_ERROR("not understood: " + line);
  }
}

BOOST_AUTO_TEST_CASE(splits_words_as_a_shell_does) {
  BOOST_TEST(command::parse("ls -l /tmp").to_string() == "ls -l /tmp");
  BOOST_TEST(command::parse("  echo   'two words'  ").to_string() == "echo 'two words'");
  BOOST_TEST(command::parse("echo \"two words\" a\\ b").to_string() == "echo 'two words' 'a b'");
  BOOST_TEST(command::parse("echo ''").to_string() == "echo ''");
  BOOST_TEST(command::parse("''echo \"\"'two' ''\\'x '' \"\"''").to_string() == R"(echo two ''\''x' '' '')");
}

BOOST_AUTO_TEST_CASE(expands_home_variables_and_globs) {
  ::setenv("COPROC_TEST_WORD", "value", 1);
  ::setenv("HOME", "/some/home", 1);
  BOOST_TEST(command::parse("echo $COPROC_TEST_WORD").to_string() == "echo value");
  BOOST_TEST(command::parse("echo '$COPROC_TEST_WORD'").to_string() == "echo '$COPROC_TEST_WORD'");
  BOOST_TEST(command::parse("echo ~/x").to_string() == "echo /some/home/x");
  BOOST_TEST(command::parse("ls /et[c]").to_string() == "ls /etc");
  ::unsetenv("COPROC_TEST_WORD");
}

BOOST_AUTO_TEST_CASE(refuses_what_only_a_shell_can_do) {
  for (const char* line : {"a | b", "a > b", "a < b", "a; b", "a & b", "echo $(id)", "echo `id`",
                           "echo 'open", "echo \"open", "", "   "})
    BOOST_CHECK_THROW(command::parse(line), std::invalid_argument);
  CHECK_CONTAINS(message_of<std::invalid_argument>([] { command::parse("cat 'open"); }), "cat 'open");
}

BOOST_AUTO_TEST_SUITE_END()
