#include <coproc/this_process.hpp>

#include <coproc/process.hpp>

#include "support/expect.hpp"
#include "support/method_test.hpp"

#include <asio/this_coro.hpp>

#include <string>
#include <vector>

#include <unistd.h>

using namespace coproc::test;

BOOST_AUTO_TEST_SUITE(this_process)

using coproc::process;
using coproc::start_method;
using coproc::target;

struct identity {
  int pid = 0;
  int parent = 0;
  std::string name;
};

identity self() {
  return {coproc::this_process::pid(), coproc::this_process::parent_pid(), coproc::this_process::name()};
}

BOOST_AUTO_TEST_CASE(of_a_program_that_the_library_did_not_start) {
  BOOST_TEST(coproc::this_process::pid() == ::getpid());
  BOOST_TEST(coproc::this_process::parent_pid() == ::getppid());
  BOOST_TEST(coproc::this_process::name() == "MainProcess");
}

METHOD_TEST(of_a_child_names_its_host_as_the_parent) {
  process p{by(method).name("the child"), target<self>};
  co_await p.start();
  identity child = co_await p.result();
  BOOST_TEST(child.pid == p.pid());
  BOOST_TEST(child.parent == ::getpid());
  BOOST_TEST(child.name == "the child");
}

/// The identities of a child and of its own child.
asio::awaitable<std::vector<identity>> self_and_child(int method) {
  process p{by(static_cast<start_method>(method)), target<self>};
  co_await p.start();
  std::vector<identity> both{self()};
  identity child = co_await p.result();
  both.push_back(std::move(child));
  co_return both;
}

METHOD_TEST_ONCE(of_a_grandchild_names_the_child_as_the_parent) {
  for (start_method inner : {start_method::forkserver, start_method::spawn, start_method::fork}) {
    process p{by(method), target<self_and_child>, static_cast<int>(inner)};
    co_await p.start();
    std::vector<identity> both = co_await p.result();
    BOOST_REQUIRE(both.size() == 2u);
    BOOST_TEST(both[0].parent == ::getpid());
    BOOST_TEST(both[1].parent == both[0].pid);
    BOOST_TEST(both[1].name != both[0].name);
  }
}

BOOST_AUTO_TEST_SUITE_END()
