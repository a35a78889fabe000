#include "ipc/message.hpp"

#include <coproc/wire.hpp>

#include "support/fault.hpp"
#include "support/leak_check.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

BOOST_AUTO_TEST_SUITE(message)

using coproc::detail::message_access;
using coproc::os::memory_segment;
using coproc::os::unique_fd;
using coproc::test::fault;
using coproc::test::leak_check;
using container = coproc::detail::message;

const std::size_t threshold = container::segment_threshold;

std::string text_of(const container& m) {
  return {reinterpret_cast<const char*>(m.bytes().data()), m.bytes().size()};
}

void append(container& m, const std::string& text) { m.append(text.data(), text.size()); }

/// What the transport does with it.
container received(container& sent) {
  const int segment = message_access::segment(sent);
  if (segment < 0) {
    coproc::detail::message_buffer bytes(sent.size());
    std::ranges::copy(sent.bytes(), bytes.data());
    container result;
    message_access::adopt(result, std::move(bytes), sent.size());
    return result;
  }
  return message_access::of_segment(unique_fd(::dup(segment)), sent.size(), {});
}

bool names(const std::exception& error, const std::string& part) {
  BOOST_TEST_MESSAGE(error.what());
  return std::string(error.what()).find(part) != std::string::npos;
}

BOOST_AUTO_TEST_CASE(bytes_are_kept_in_order) {
  leak_check check;
  container m;
  BOOST_TEST(m.size() == 0u);
  BOOST_TEST(m.bytes().empty());
  append(m, "");
  append(m, "hello ");
  append(m, "world");
  BOOST_TEST(text_of(m) == "hello world");
  container moved(std::move(m));
  BOOST_TEST(text_of(moved) == "hello world");
  append(moved, "!");
  m = std::move(moved);
  BOOST_TEST(text_of(m) == "hello world!");
  m.clear();
  BOOST_TEST(m.size() == 0u);
  append(m, "again");
  BOOST_TEST(text_of(m) == "again");
}

BOOST_AUTO_TEST_CASE(what_is_large_goes_to_shared_memory) {
  leak_check check;
  container m;
  append(m, std::string(threshold, 'a'));
  BOOST_TEST(message_access::segment(m) == -1);
  append(m, "b");
  std::string expected = std::string(threshold, 'a') + "b";
  BOOST_TEST((text_of(m) == expected)); // it can be looked at before it is complete
  for (int i = 0; i != 50; ++i) {
    const std::string piece(static_cast<std::size_t>(1 + i * i * 40), static_cast<char>('c' + i % 20));
    append(m, piece);
    expected += piece;
  }
  BOOST_TEST(m.size() == expected.size());
  BOOST_TEST(message_access::segment(m) >= 0);
  BOOST_TEST((text_of(m) == expected));
  container there = received(m);
  m = container();
  BOOST_TEST((text_of(there) == expected));
  BOOST_CHECK_THROW(append(there, "x"), std::logic_error);
}

BOOST_AUTO_TEST_CASE(values_cross_through_shared_memory) {
  leak_check check;
  std::vector<double> numbers(1'000'000);
  for (std::size_t i = 0; i != numbers.size(); ++i) numbers[i] = static_cast<double>(i);
  const auto value = std::make_pair(std::string(3'000'001, 'x'), numbers); // the numbers are not aligned
  container m;
  coproc::wire::encode(m, value);
  container there = received(m);
  BOOST_TEST((coproc::wire::decode<std::pair<std::string, std::vector<double>>>(there) == value));
  const std::vector<std::string> many(100'000, "a string in no large block");
  m.clear();
  coproc::wire::encode(m, many);
  there = received(m);
  BOOST_TEST((coproc::wire::decode<std::vector<std::string>>(there) == many));
}

BOOST_AUTO_TEST_CASE(short_writes_are_completed) {
  const coproc::test::short_transfers shorter(coproc::os::call::pwrite, 1000);
  container m;
  append(m, std::string(100'000, 'x') + "y");
  container there = received(m);
  BOOST_TEST(text_of(there).back() == 'y');
  BOOST_TEST(there.size() == 100'001u);
}

BOOST_AUTO_TEST_CASE(what_follows_a_length_lies_as_memory_of_malloc_does) {
  for (const std::size_t size : {100u, 10'000u, 100'000u, 1'000'000u}) {
    const auto on_16 = [](const container& m) {
      return reinterpret_cast<std::uintptr_t>(m.bytes().data()) % 16;
    };
    container sent;
    append(sent, std::string(size, 'x'));
    BOOST_TEST(on_16(sent) == 8u);
    BOOST_TEST(on_16(received(sent)) == 8u);
  }
}

BOOST_AUTO_TEST_CASE(shared_memory_that_its_sender_can_change_is_refused) {
  leak_check check;
  const auto refused = [](unique_fd segment, std::size_t size, const char* part) {
    BOOST_CHECK_EXCEPTION(message_access::of_segment(std::move(segment), size, {}), coproc::wire::error,
                          [&](const auto& error) { return names(error, part); });
  };
  const std::string bytes(10'000, 'x');
  auto segment = memory_segment::create("test");
  segment.write(bytes.data(), bytes.size(), coproc::detail::message_lead);
  refused(unique_fd(::dup(segment.fd())), bytes.size(), "not sealed");
  segment.seal_size();
  refused(unique_fd(::dup(segment.fd())), bytes.size(), "not sealed"); // its bytes can still change
  segment = memory_segment::create("test");
  segment.write(bytes.data(), bytes.size(), coproc::detail::message_lead);
  segment.seal();
  refused(unique_fd(::dup(segment.fd())), bytes.size() + 1, "has 10008 bytes");
  refused(unique_fd(::dup(segment.fd())), bytes.size() - 1, "has 10008 bytes");
  refused(unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), 1, "not sealed");
  BOOST_TEST((text_of(message_access::of_segment(segment.release(), bytes.size(), {})) == bytes));
}

BOOST_AUTO_TEST_CASE(a_finished_message_can_no_more_be_changed_by_its_sender) {
  container m;
  append(m, std::string(threshold + 1, 'x'));
  const int segment = message_access::segment(m);
  BOOST_TEST(::ftruncate(segment, 0) == -1);
  BOOST_TEST(errno == EPERM);
  BOOST_TEST(::pwrite(segment, "y", 1, 0) == -1);
  BOOST_TEST(errno == EPERM);
  BOOST_TEST((::fcntl(segment, F_GETFD) & FD_CLOEXEC) != 0);
  BOOST_CHECK_THROW(append(m, "y"), std::logic_error);
}

BOOST_AUTO_TEST_CASE(a_failed_call_names_itself_and_loses_nothing) {
  leak_check check;
  const std::string large(threshold * 2, 'x');
  container m;
  append(m, "before");
  const auto fails = [&](coproc::os::call which, int error, const char* part) {
    const fault injected(which, error, 1);
    BOOST_CHECK_EXCEPTION(append(m, large), std::system_error, [&](const std::system_error& found) {
      return found.code().value() == error && names(found, part);
    });
    BOOST_TEST(injected.hits() == 1u);
    BOOST_TEST(text_of(m) == "before");
  };
  fails(coproc::os::call::memfd_create, EMFILE, "create shared memory");
  fails(coproc::os::call::pwrite, ENOSPC, "write");
  append(m, large);
  {
    const fault injected(coproc::os::call::mmap, ENOMEM, 1);
    BOOST_CHECK_EXCEPTION(m.bytes(), std::system_error, [](const auto& found) {
      return names(found, "map 131086 bytes of shared memory");
    });
  }
  BOOST_TEST((text_of(m) == "before" + large));
}

BOOST_AUTO_TEST_CASE(the_limit_on_the_size_of_files_is_an_error_and_no_signal) {
  leak_check check;
  rlimit before{};
  BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 100'000;
  BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  container m;
  bool refused = false;
  try {
    append(m, std::string(200'000, 'x'));
  } catch (const std::system_error& error) {
    refused = error.code() == std::errc::file_too_large && names(error, "RLIMIT_FSIZE");
  }
  bool refused_to_allocate = false;
  try {
    memory_segment::create("test").allocate(200'000);
  } catch (const std::system_error& error) {
    refused_to_allocate = error.code() == std::errc::file_too_large;
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  BOOST_TEST(refused);
  BOOST_TEST(refused_to_allocate);
}

BOOST_AUTO_TEST_CASE(allocated_memory_is_there_to_be_written) {
  leak_check check;
  auto segment = memory_segment::create("test");
  segment.allocate(100'000);
  BOOST_TEST(segment.size() == 100'000u);
  struct stat status {};
  BOOST_TEST(::fstat(segment.fd(), &status) == 0);
  BOOST_TEST(status.st_blocks * 512 >= 100'000);
  auto shared = segment.map(100'000, coproc::os::access::write, coproc::os::sharing::shared,
                            coproc::os::population::on_use);
  std::memset(shared.data(), 'z', shared.size());
  auto seen = segment.map(100'000, coproc::os::access::read, coproc::os::sharing::shared,
                          coproc::os::population::now);
  BOOST_TEST(std::to_integer<char>(seen.data()[99'999]) == 'z');
  BOOST_CHECK_THROW(segment.seal(), std::system_error); // somebody can still write
  const fault injected(coproc::os::call::fallocate, ENOSPC);
  BOOST_CHECK_THROW(segment.allocate(200'000), std::system_error);
}

BOOST_AUTO_TEST_CASE(descriptors_that_nobody_takes_are_closed) {
  leak_check check;
  container m;
  const auto open_null = [] { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); };
  BOOST_TEST(m.attach(open_null()) == 0u);
  BOOST_TEST(m.attach(open_null()) == 1u);
  BOOST_TEST(message_access::descriptors(m).size() == 2u);
  const unique_fd taken(m.take(1));
  BOOST_TEST(bool(taken));
  BOOST_TEST(m.take(1) == -1);
  BOOST_TEST(m.take(2) == -1);
  BOOST_TEST(message_access::descriptors(m).at(1) == -1);
  BOOST_TEST(m.descriptor_count() == 2u);
  m.clear();
  BOOST_TEST(m.descriptor_count() == 0u);
  m.attach(open_null());
}

BOOST_AUTO_TEST_CASE(lent_descriptors_stay_their_owners) {
  leak_check check;
  auto owner = std::make_shared<unique_fd>(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::weak_ptr<unique_fd> alive = owner;
  const int lent = owner->get();
  container first, second;
  BOOST_TEST(first.lend(lent, owner) == 0u);
  BOOST_TEST(second.lend(lent, std::move(owner)) == 0u);
  BOOST_TEST((message_access::descriptors(first) == std::vector<int>{lent}));
  first.clear();
  BOOST_REQUIRE(!alive.expired());
  const unique_fd copy(second.take(0));
  BOOST_TEST(bool(copy));
  BOOST_TEST(copy.get() != lent);
  BOOST_TEST(second.take(0) == -1);
  BOOST_TEST(alive.expired());
}

BOOST_AUTO_TEST_SUITE_END()
