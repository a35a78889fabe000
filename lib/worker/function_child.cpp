#include "worker/function_child.hpp"

#include "ipc/packet.hpp"
#include "os/code_address.hpp"
#include "os/error.hpp"
#include "os/flush.hpp"
#include "os/fork.hpp"
#include "os/fork_mark.hpp"
#include "os/liveness.hpp"
#include "os/self.hpp"
#include "os/socket.hpp"
#include "worker/bootstrap.hpp"
#include "worker/protocol.hpp"

#include <coproc/detail/invoke_target.hpp>
#include <coproc/remote_error.hpp>
#include <coproc/wire.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <typeinfo>

#include <cxxabi.h>
#ifdef __GLIBCXX__
#include <ext/stdio_sync_filebuf.h>
#endif

namespace coproc::detail {

namespace {

constexpr int threw = 1; // the exit code of a target that threw

std::string demangled(const std::type_info* type) {
  if (!type) return {};
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(type->name(), nullptr, nullptr, &status),
                                              std::free);
  std::string result = status == 0 ? name.get() : type->name();
  // What std::throw_with_nested makes of the type that it is given (libstdc++).
  constexpr std::string_view nested = "std::_Nested_exception<";
  if (result.starts_with(nested)) result = result.substr(nested.size(), result.size() - nested.size() - 1);
  return result;
}

} // namespace

void describe_current(std::vector<remote_error::exception>& chain) {
  constexpr std::size_t most = 64; // a chain that never ends is somebody's joke
  try {
    throw;
  } catch (const std::exception& e) {
    const char* what = e.what();
    chain.push_back({demangled(&typeid(e)), what ? what : ""}); // some forget it
    const auto* nested = dynamic_cast<const std::nested_exception*>(&e);
    // std::throw_with_nested() outside of a handler makes one without a cause: to rethrow it would terminate.
    if (chain.size() == most || !nested || !nested->nested_ptr()) return;
    try {
      nested->rethrow_nested();
    } catch (...) {
      describe_current(chain);
    }
  } catch (...) {
    chain.push_back({demangled(abi::__cxa_current_exception_type()), std::string()});
    if (chain.size() == most) return;
    // A type of the user's own can have a cause, too, but only its type could tell.
  }
}

bool outcome_sent(int error) {
  if (error == E2BIG)
    throw std::length_error("the result can't be sent: it has more than " +
                            std::to_string(os::max_descriptors) + " descriptors");
  const bool unwanted = error == EPIPE || error == EBADF || error == ENOTSOCK;
  if (error != 0 && !unwanted) os::throw_errno(error, "the result can't be sent");
  return error == 0;
}

namespace {

void send(int channel, call_kind kind, message& body) {
  // The host may be gone, or have dropped its handle; then nobody wants to know.
  (void)send_message(channel, static_cast<std::uint32_t>(kind), body, os::blocking::yes);
}

/// @returns the exit code.
int carry_out(int channel, const std::function<void(message&)>& body) {
  const os::fork_mark mark;
  // A child of the target's own, that has come back from it, has nothing to say: its parent goes on.
  const auto leave_copy = [&mark](int code) {
    if (!mark.is_original()) std::_Exit(code);
  };
  std::vector<remote_error::exception> chain;
  try {
    message result;
    body(result);
    leave_copy(EXIT_SUCCESS);
    (void)outcome_sent(
        send_message(channel, static_cast<std::uint32_t>(call_kind::result), result, os::blocking::yes));
    return EXIT_SUCCESS;
  } catch (abi::__forced_unwind&) {
    throw; // pthread_exit
  } catch (...) {
    leave_copy(threw);
    describe_current(chain);
  }
  message encoded;
  wire::encode(encoded, chain);
  send(channel, call_kind::exception, encoded);
  return threw;
}

/// As std::ostream::flush(), but for a stream that goes through to C's as all do at first: those are flushed
/// anyway, and the code of the standard library need not be looked at for it, which costs a fresh child some
/// page faults. One that can't write notes that, and has thrown if it was told to: nobody is there to catch
/// it.
template <class Char>
void flush(std::basic_ostream<Char>& stream) noexcept try {
#ifdef __GLIBCXX__
  const std::basic_streambuf<Char>* buffer = stream.rdbuf();
  if (buffer && typeid(*buffer) == typeid(__gnu_cxx::stdio_sync_filebuf<Char>)) return;
#endif
  stream.flush();
} catch (...) {
}

[[noreturn]] void end(int code, at_end what) noexcept {
  flush(std::cout);
  flush(std::cerr);
  flush(std::clog);
  flush(std::wcout);
  flush(std::wcerr);
  flush(std::wclog);
  if (what == at_end::flush_all) {
    os::flush_files();
  } else {
    std::fflush(stdout);
    std::fflush(stderr);
  }
  std::_Exit(code);
}

/// For what must not happen: the channel does not carry what it should.
[[noreturn]] void give_up(const char* why) noexcept {
  std::fprintf(stderr, "coproc: a child process can't begin: %s\n", why);
  std::_Exit(125);
}

std::string missing_text(const call_header& header) {
  return "'" + header.function + "' can't be run: its code is in '" + header.module_path +
         "', which the child process has not loaded, or has in another build; a target has to be in the "
         "program or "
         "in a library that it is linked with";
}

} // namespace

void flush_output() noexcept {
  flush(std::cout);
  std::fflush(stdout);
}

void hold_lifeline(os::unique_fd lifeline, os::unique_fd& channel) noexcept {
  if (os::die_with(lifeline.get()) != 0) give_up("it can't be told of the end of its host");
  channel = os::closed_after(lifeline.get(), std::move(channel));
  (void)lifeline.release(); // until the process ends
}

void begin_forked(const std::vector<os::redirect>& streams) noexcept {
  if (os::begin_forked_child(streams) != 0) give_up("it can't have its standard streams");
}

void run_call(os::unique_fd channel, int parent, const std::string& name, announce how) noexcept {
  try {
    incoming call = receive_message(channel.get(), os::blocking::yes);
    if (call.closed) std::_Exit(0); // the host has changed its mind
    if (call.error != 0 || call.kind != static_cast<std::uint32_t>(call_kind::call))
      give_up("it was sent no call");
    std::span<const std::byte> bytes = call.body.bytes();
    const auto header = wire::decode<call_header>(bytes, &call.body);
    const void* code = os::find_code(header.module_id, header.offset);
    if (!code) {
      message text;
      wire::encode(text, missing_text(header));
      send(channel.get(), call_kind::missing, text);
      std::_Exit(threw);
    }
    if (how == announce::yes) {
      message nothing;
      send(channel.get(), call_kind::ready, nothing);
    }
    make_call(std::move(channel), parent, name, {code, bytes, &call.body});
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

void make_call(os::unique_fd channel, int parent, const std::string& name,
               const received_call& call) noexcept {
  try {
    process_identity& self = identity();
    self.name = name;
    self.parent = parent;
    os::show_name(name);
    const auto entry = reinterpret_cast<entry_point>(reinterpret_cast<std::uintptr_t>(call.code));
    int exit_code =
        carry_out(channel.get(), [&](message& result) { entry(call.arguments, *call.from, result); });
    end(exit_code, at_end::flush_all);
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

void run_forked(os::unique_fd channel, int parent, const std::string& name,
                const std::function<void(message&)>& body) noexcept {
  try {
    process_identity& self = identity();
    self.name = name;
    self.parent = parent;
    os::show_name(name);
    end(carry_out(channel.get(), body), at_end::flush_standard);
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

void require_end(std::span<const std::byte> rest) {
  if (!rest.empty()) throw wire::error("target: there are more bytes than its arguments have");
}

namespace {

/// Says that @p coroutine has ended as soon as it has: a handler of co_spawn() would never be told by a
/// context that the coroutine has stopped.
asio::awaitable<void> note_end(asio::awaitable<void> coroutine, bool& ended, std::exception_ptr& failure) {
  try {
    co_await std::move(coroutine);
  } catch (...) {
    failure = std::current_exception();
  }
  ended = true;
}

} // namespace

void run_to_end(asio::awaitable<void> coroutine) {
  asio::io_context context(1);
  bool ended = false;
  std::exception_ptr failure;
  asio::co_spawn(context, note_end(std::move(coroutine), ended, failure),
                 [&context](std::exception_ptr) { context.stop(); });
  context.run();
  if (failure) std::rethrow_exception(failure);
  if (!ended)
    throw std::runtime_error(
        "the coroutine did not complete: its io_context was stopped, or ran out of work");
}

} // namespace coproc::detail
