#pragma once

#include "contest.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

/// The limit: what the system calls cost, with nothing around them.
namespace bench {

struct launched {
  pid_t pid = -1;
  int pidfd = -1;
};

/// clone(2) with CLONE_VM | CLONE_VFORK | CLONE_PIDFD and execve(2), and not a call more: no signals blocked,
/// no descriptors closed, no dispositions reset. Good enough only for a program that needs none of it, as
/// this one. glibc's clone() enters the kernel by the old call, which is the same work as clone3(2).
/// @param in,out what becomes the child's stdin and stdout; -1: inherited.
launched launch(const std::vector<std::string>& arguments, int in = -1, int out = -1);

/// Takes the status of one that has ended, and closes its pidfd unless that is -1. @throws unless it exited
/// with 0.
void reap(launched child);

/// A pipe whose ends are CLOEXEC. @param size as F_SETPIPE_SZ; 0: the system's default, 64 KiB.
struct pipe_ends {
  explicit pipe_ends(int size = 0);
  ~pipe_ends() { close_both(); }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;

  void close_read();
  void close_write();
  void close_both() { close_read(), close_write(); }

  int read = -1;
  int write = -1;
};

} // namespace bench
