// Bounds what a program may use: descriptors, file size, captured output.
//
//     $ ./resource_limits
//     it may open 64 files
//     killed by SIGXFSZ
//     new files get 0640

#include <coproc/coproc.hpp>

#include <cstdio>
#include <iostream>
#include <memory>

using coproc::command;
using coproc::resource;

asio::awaitable<void> amain() {
  coproc::completed files = co_await coproc::run(command::shell("ulimit -n").limit(resource::files, 64, 64));
  std::cout << "it may open " << files.out.substr(0, files.out.find('\n')) << " files\n";

  struct closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, closer> file(std::tmpfile());
  command fill("head", "-c", "1000000", "/dev/zero");
  fill.out(coproc::stdio::fd(fileno(file.get()))).limit(resource::file_size, 4096, 4096);
  coproc::completed filled = co_await coproc::run(fill);
  std::cout << filled.status.to_string() << '\n';

  command make = command::shell("d=$(mktemp -d) && : > $d/f && stat -c %a $d/f && rm -r $d");
  coproc::completed made = co_await coproc::run(make.umask(0027));
  std::cout << "new files get 0" << made.out;
}

int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
