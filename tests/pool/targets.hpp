#pragma once

#include <coproc/shared_queue.hpp>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

/// What the tests of the pool run in its workers.
namespace coproc::test::pool_targets {

using announcements = coproc::shared_queue<int>;

int square(int x);
int add(int a, int b);
int own_pid();
int parent_pid();
void nothing();
int throw_if_odd(int x);
int die_if_odd(int x); // by SIGKILL
int exit_with(int code);
int raise_signal(int number);
/// Ends the worker; where it can choose, with code 3.
enum class death {
  quick_exit,
  immediate_exit,
  abort,
  uncaught_in_a_thread,
  stack_overflow,
  end_of_thread,
  exec
};
int die_by(death how);
int throw_bad_alloc();
/// Both parent and child return: the child's id, and 0.
int fork_and_return();
int sleep_ms(int ms); // gives it back
/// Takes so many microseconds of CPU time, and gives its pid.
int busy_us(int us);
std::string twice(std::string text);
std::size_t length(const std::string& text);
std::unique_ptr<int> boxed(int x);
int unboxed(const std::unique_ptr<int>& box);
void announce(announcements started); // its pid
/// Says its pid, and sleeps for ever.
void announce_and_pause(announcements started);
/// The same, with a result at once when it is woken by the second queue.
int announce_and_wait(announcements started, announcements go);
int wait_for(announcements go);
/// Dies the first time, as a file tells: gives how often it was started.
int die_until(const std::string& path, int times);
/// How often this worker has run it.
int count_calls();
/// Global state, set by an initializer.
void set_state(int x);
void set_state_or_throw(int x);
void kill_self();
int get_state();
void print(const std::string& text);
void write_garbage_to_stdout();
/// Sends something to every channel that the worker has, and sleeps for ever or returns.
enum class and_then { pause, go_on };
int write_garbage_to_channels(and_then next, std::size_t bytes);
/// Adds a start to the file, and overwrites what the worker shares with the pool.
int overwrite_shared_memory(const std::string& path);
/// Closes all descriptors but the standard ones.
int close_descriptors(int pause_ms);
/// Leaves a process behind that keeps all descriptors of the worker open, and dies.
void leave_heir_and_die(announcements heir);
/// Gives its pid. When this worker is to end, it does not.
int hang_at_end();
/// Keeps so much more memory.
std::size_t grow(std::size_t bytes);

} // namespace coproc::test::pool_targets
