# Sourced by the scripts that a new user types: what they share to get from a bare Debian to a build. POSIX sh.
# Expects $root, the checkout.

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# Runs a command that nobody wants to watch; shows what it said if it fails.
quietly() {
  quiet_log=$(mktemp)
  if "$@" </dev/null >"$quiet_log" 2>&1; then
    rm -f "$quiet_log"
  else
    quiet_status=$?
    say "Failed: $*"
    cat "$quiet_log" >&2
    rm -f "$quiet_log"
    return "$quiet_status"
  fi
}

## What is missing

compiles() { # OPTION... < source
  ${CXX:-c++} -x c++ - -o /dev/null "$@" 2>/dev/null
}

version_at_least() { # HEADER MACRO MINIMUM
  printf '#include <%s>\n#if %s < %s\n#error too old\n#endif\n' "$1" "$2" "$3" | compiles -E
}

has() {
  case $1 in
    c++) printf 'int main() {}\n' | compiles -E ;; # CXX may have several words: ccache g++
    meson) command -v meson && command -v ninja ;;
    asio) version_at_least asio/version.hpp ASIO_VERSION 102201 ;;
    boost) version_at_least boost/version.hpp BOOST_VERSION 108100 ;;
    cereal) version_at_least cereal/version.hpp CEREAL_VERSION 10302 ;;
    boost-test) has boost && printf 'int main() {}\n' | compiles -lboost_unit_test_framework ;;
    benchmark) printf '#include <benchmark/benchmark.h>\n' | compiles -E ;;
    *) command -v "$1" ;;
  esac >/dev/null
}

candidate() { # PACKAGE: the version that would be installed; empty if there is none
  LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p'
}

# The suffix that the packages of a Boost that is new enough have: of the one whose headers are here, or else of
# Debian's default, or else of one beside it (Debian 12: 1.74 is the default, and 1.81 is there, too).
boost_suffix() {
  if has boost; then
    printf '#include <boost/version.hpp>\nBOOST_VERSION\n' | ${CXX:-c++} -E -P -x c++ - |
      sed -n 's/^1\([0-9]\{5\}\)$/1\1/p' | while read -r number; do echo "1.$((number / 100 % 1000))"; done
  elif dpkg --compare-versions "$(candidate libboost-dev)" ge 1.81; then
    echo
  else
    for suffix in 1.88 1.83 1.81; do
      [ -z "$(candidate "libboost$suffix-dev")" ] || break
    done
    echo "$suffix"
  fi
}

packages_of() {
  case $1 in
    c++) echo g++ ;;
    meson) echo meson ninja-build ;;
    asio) echo libasio-dev ;;
    boost) echo "libboost$(boost_suffix)-dev" ;;
    cereal) echo libcereal-dev ;;
    boost-test) echo "libboost-test$(boost_suffix)-dev" ;;
    benchmark) echo libbenchmark-dev ;;
    *) echo "$1" ;;
  esac
}

## Getting it

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# need THING...: installs, of c++, meson, asio, boost, cereal, boost-test, benchmark and plain commands, those that are missing.
need() {
  missing=
  for thing; do
    has "$thing" || missing="$missing $thing"
  done
  [ -n "$missing" ] || return 0

  command -v apt-get >/dev/null ||
    die "Missing:$missing. Here is no apt-get to install it with: please install it (see README.md) and run this again."
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    die "Missing:$missing. Installing it takes root, and there is no sudo: please run this as root, once."

  # A bare machine, or image, has no package lists yet.
  updated=
  [ -n "$(candidate libasio-dev)" ] || update_lists
  list_packages
  refuse_to_remove
  say "Installing$packages (once)"
  if ! quietly apt_get install -y --no-install-recommends --no-remove $packages; then
    [ -z "$updated" ] || die "Could not install$packages: see above."
    say "Trying again with fresh package lists"
    update_lists
    list_packages
    quietly apt_get install -y --no-install-recommends --no-remove $packages ||
      die "Could not install$packages: see above."
  fi
  for thing in $missing; do
    has "$thing" || die "$thing is missing or too old, even after installing$packages: see README.md for what is needed."
  done
}

# Debian's Boost packages exclude each other; throwing out one that somebody needs is not ours to do.
refuse_to_remove() {
  removed=$(LC_ALL=C apt-get -s install --no-install-recommends $packages 2>/dev/null | sed -n 's/^Remv \([^ ]*\).*/ \1/p' | tr -d '\n')
  [ -z "$removed" ] ||
    die "Installing$packages would remove$removed. If that is all right, please do it by hand and run this again;" \
      "otherwise set BOOST_ROOT to a Boost of 1.81 or newer and use Meson directly (see README.md)."
}

update_lists() {
  say "Fetching the package lists"
  quietly apt_get update || die "Could not fetch the package lists: see above."
  updated=yes
}

list_packages() {
  packages=
  for thing in $missing; do
    packages="$packages $(packages_of "$thing")"
  done
}

## Building

# build_directory NAME: prints a folder that this user can build in: below the checkout, or, if that belongs to
# somebody else (root was here first), below the user's cache.
build_directory() {
  for folder in "$root/build" "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/coproc/$(printf %s "$root" | cksum | tr ' ' -)"; do
    if mkdir -p "$folder" 2>/dev/null && [ -w "$folder" ] && [ -n "$(find "$folder" -prune -user "$(id -u)")" ]; then
      printf '%s\n' "$folder/$1"
      return
    fi
  done
  die "Can write neither to $root/build nor to the cache in your home directory."
}

# configure DIRECTORY OPTION...: sets the build up, or changes its options if they were others.
configure() {
  directory=$1
  shift
  stamp="$root $*"
  if [ -f "$directory/build.ninja" ]; then
    [ "$(cat "$directory/configured" 2>/dev/null)" != "$stamp" ] || return 0
    meson setup --reconfigure "$@" "$directory" "$root" >/dev/null 2>&1 || rm -rf "$directory"
  fi
  # What an interrupted run, a move of the checkout or another Meson left behind is not worth repairing.
  if [ ! -f "$directory/build.ninja" ]; then
    rm -rf "$directory"
    quietly meson setup "$@" "$directory" "$root" || return
  fi
  printf '%s\n' "$stamp" >"$directory/configured"
}

# build DIRECTORY TARGET...: on a terminal one can watch it.
build() {
  if [ -t 1 ]; then ninja -C "$@"; else quietly ninja -C "$@"; fi
}
