#!/usr/bin/env python3
"""Uses the library as others would: check.py SOURCE_ROOT BUILD_ROOT -- COMPILER...

Installs BUILD_ROOT to a temporary prefix, and looks at what the shared library exports. Then builds, outside of the
checkout, the README's quick start with the README's recipe for pkg-config, CMake and Meson, and app.cpp with each of
them, shared and static where both are installed; and runs them all.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

source_root, build_root = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
compiler = sys.argv[4:]
here = pathlib.Path(__file__).resolve().parent


def run(*command, cwd, **more_environment):
    done = subprocess.run([str(word) for word in command], cwd=cwd, env={**os.environ, **more_environment},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{shlex.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def passed(what):
    print("passed:", what, flush=True)


def readme_block(language):
    """The only code block of a language in the README. The recipes there are whole files."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (source_root / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    if len(blocks) != 1:
        sys.exit(f"README.md has {len(blocks)} blocks of {language}")
    return blocks[0]


def readme_program():
    match = re.search(r"<!-- \[quick_start\] -->\n```cpp\n(.*?)^```$", (source_root / "README.md").read_text(),
                      re.DOTALL | re.MULTILINE)
    return match[1]


def expected_output():
    """What the comment at the top of the quick start's source says (examples/check.py holds it to that)."""
    lines = (source_root / "examples/readme/quick_start.cpp").read_text().splitlines()
    block = [line[len("//     "):] for line in lines if line.startswith("//     ")]
    return "".join(line + "\n" for line in block[1:])


def new_folder(parent, name):
    """A project of somebody else's: main.cpp is the README's program."""
    folder = parent / name
    folder.mkdir()
    (folder / "main.cpp").write_text(readme_program())
    for file in ("app.cpp", "version.cpp"):
        shutil.copy(here / file, folder)
    return folder


def check_program(path, library_path, name):
    environment = {"LD_LIBRARY_PATH": str(library_path)} if library_path else {}
    printed = run(path, cwd=path.parent, **environment)
    if name == "app" and printed != expected_output():
        sys.exit(f"{path} printed\n{printed}")


def check_exports(library):
    """The API and what a program shares with the library are visible; its internals and Boost are not."""
    symbols = run("nm", "--dynamic", "--defined-only", "--demangle", library, cwd=library.parent).splitlines()
    names = [line.split(maxsplit=2)[-1] for line in symbols]
    internal = [name for name in names if re.search(r"\bcoproc::os::|\bboost::|\bprocess_v2::|detail::child_state::", name)]
    if internal:
        sys.exit(f"{library.name} exports what is internal:\n" + "\n".join(internal))
    # A coroutine frame is allocated through the call stack of its thread, and freed so: by the library and the program.
    for wanted in (r"coproc::child::wait\(\)", r"asio::detail::call_stack<asio::detail::thread_context, .*::top_",
                   r"asio::detail::execution_context_service_base<asio::detail::epoll_reactor>::id",
                   r"asio::system_category\(\)::instance", r"typeinfo for coproc::timeout_expired"):
        if not any(re.fullmatch(wanted, name) for name in names):
            sys.exit(f"{library.name} does not export {wanted}")
    passed(f"{len(names)} exported symbols")


def use_pkg_config(scratch, libdir, kinds):
    environment = {"PKG_CONFIG_PATH": str(libdir / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(scratch / "staged")}
    recipe = readme_block("sh pkg-config").strip()
    for kind in kinds:
        folder = new_folder(scratch, f"pkg-config-{kind}")
        for name, files in (("app", "main.cpp"), ("check", "app.cpp version.cpp")):
            line = recipe.replace("main.cpp", files).replace("-o app", f"-o {name}")
            line = line.replace("c++", shlex.join([*compiler, *clang_flags(environment, folder)]), 1)
            if kind == "static":
                flags = run("pkg-config", "--static", "--libs", "coproc", cwd=folder, **environment)
                line = line.replace("pkg-config", "pkg-config --static") + f" {libdir}/libcoproc.a"
                assert "-pthread" in flags, flags
                line = line.replace("--cflags --libs", "--cflags")
            run("sh", "-c", line, cwd=folder, **environment)
            check_program(folder / name, libdir if kind == "shared" else None, name)
    passed(f"pkg-config, {' and '.join(kinds)}")


def clang_flags(environment, folder):
    """What the README says about clang with Asio 1.22; harmless with any other."""
    version = run(*compiler, "--version", cwd=folder)
    if "clang" not in version:
        return []
    return run("pkg-config", "--variable=clang_cflags", "coproc", cwd=folder, **environment).split()


def use_cmake(scratch, libdir, kinds):
    # By its folder: where Debian lacks dpkg-architecture, Meson takes lib64, in which CMake does not look there.
    tools = ["-G", "Ninja", f"-Dcoproc_DIR={libdir}/cmake/coproc", f"-DCMAKE_CXX_COMPILER={compiler[-1]}"]
    for kind in kinds:
        folder = new_folder(scratch, f"cmake-{kind}")
        (folder / "CMakeLists.txt").write_text(
            readme_block("cmake") + "add_executable(check app.cpp version.cpp)\n"
            "target_link_libraries(check PRIVATE coproc::coproc)\n")
        run("cmake", "-S", ".", "-B", "build", *tools, f"-DBUILD_SHARED_LIBS={'ON' if kind == 'shared' else 'OFF'}", cwd=folder)
        run("cmake", "--build", "build", cwd=folder)
        for name in ("app", "check"):
            linked = run("ldd", folder / "build" / name, cwd=folder)
            if ("libcoproc" in linked) != (kind == "shared"):
                sys.exit(f"{name} is not linked with the {kind} library:\n{linked}")
            check_program(folder / "build" / name, None, name)
    # Another series is refused.
    folder = new_folder(scratch, "cmake-version")
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(app CXX)\nfind_package(coproc 99.0 QUIET)\n"
        "if(coproc_FOUND)\n  message(FATAL_ERROR \"99.0 was found\")\nendif()\n")
    run("cmake", "-S", ".", "-B", "build", *tools, cwd=folder)
    passed(f"CMake, {' and '.join(kinds)}")


def use_meson(scratch):
    folder = new_folder(scratch, "meson-subproject")
    (folder / "meson.build").write_text(
        readme_block("meson") + "executable('check', 'app.cpp', 'version.cpp', dependencies: coproc)\n")
    (folder / "subprojects").mkdir()
    (folder / "subprojects/coproc").symlink_to(source_root)
    # Unoptimised, for speed.
    run("meson", "setup", "build", "--buildtype=plain", cwd=folder, CXX=shlex.join(compiler))
    targets = json.loads(run("meson", "introspect", "--targets", "build", cwd=folder))
    strangers = [t["name"] for t in targets if t["type"] == "executable" and t["name"] not in ("app", "check")]
    if strangers:
        sys.exit(f"a subproject builds more than the library: {strangers}")
    run("meson", "compile", "-C", "build", cwd=folder)
    for name in ("app", "check"):
        check_program(folder / "build" / name, None, name)
    passed("Meson subproject")


def main():
    with tempfile.TemporaryDirectory(prefix="coproc-package-") as scratch:
        scratch = pathlib.Path(scratch)
        run("meson", "install", "-C", build_root, "--no-rebuild", "--destdir", scratch / "staged", cwd=scratch)
        [config] = (scratch / "staged").rglob("pkgconfig/coproc.pc")
        libdir = config.parent.parent
        kinds = [kind for kind, file in (("shared", "libcoproc.so"), ("static", "libcoproc.a")) if (libdir / file).exists()]
        if "shared" in kinds:
            check_exports(libdir / "libcoproc.so")
        use_pkg_config(scratch, libdir, kinds)
        use_cmake(scratch, libdir, kinds)
        use_meson(scratch)


main()
