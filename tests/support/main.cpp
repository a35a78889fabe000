// One main for all test programs, which are their own function processes, too. Boost's own handlers for
// SIGSEGV and the like stay out: a sanitizer, or a core, says more than they do.
#define BOOST_TEST_NO_MAIN
#define BOOST_TEST_ALTERNATIVE_INIT_API
#include <boost/test/unit_test.hpp>

#include <coproc/init.hpp>

#include <thread>
#include <vector>

static bool init() {
  boost::unit_test::framework::master_test_suite().p_name.value = "coproc";
  return true;
}

int main(int argc, char** argv) {
  coproc::init(argc, argv);
  // The thread sanitizer starts a thread of its own with the first one: before any test counts them.
  std::thread([] {}).join();
  std::vector<char*> arguments(argv, argv + argc);
  char no_handlers[] = "--catch_system_errors=no";
  arguments.insert(arguments.begin() + 1, no_handlers);
  arguments.push_back(nullptr);
  return boost::unit_test::unit_test_main(init, static_cast<int>(arguments.size()) - 1, arguments.data());
}
