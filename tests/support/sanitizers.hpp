#pragma once

/// COPROC_TEST_SANITIZED: the program is instrumented by AddressSanitizer or ThreadSanitizer. g++ says so
/// with macros, clang with features.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COPROC_TEST_SANITIZED 1
#endif
#endif
#if !defined(COPROC_TEST_SANITIZED) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define COPROC_TEST_SANITIZED 1
#endif
#if !defined(COPROC_TEST_SANITIZED)
#define COPROC_TEST_SANITIZED 0
#endif
