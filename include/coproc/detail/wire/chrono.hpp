#pragma once

#include <coproc/detail/wire/value.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace coproc::wire::impl {

template <class R, class P>
struct codec<std::chrono::duration<R, P>> {
  using parts = list<R>;
  static constexpr std::size_t min_size = impl::min_size<R>();
  static constexpr bool flat = impl::flat<R>() && !holds_bool<R>();

  static void save(output_archive& out, const std::chrono::duration<R, P>& value) {
    impl::save_value(out, value.count());
  }
  static void load(input_archive& in, std::chrono::duration<R, P>& value) {
    value = std::chrono::duration<R, P>(make_value<R>(in));
  }
};

template <class C, class D>
struct codec<std::chrono::time_point<C, D>> {
  using parts = list<D>;
  static constexpr std::size_t min_size = impl::min_size<D>();
  static constexpr bool flat = impl::flat<D>();

  static void save(output_archive& out, const std::chrono::time_point<C, D>& value) {
    impl::save_value(out, value.time_since_epoch());
  }
  static void load(input_archive& in, std::chrono::time_point<C, D>& value) {
    value = std::chrono::time_point<C, D>(make_value<D>(in));
  }
};

constexpr int number_of(std::chrono::year y) noexcept { return static_cast<int>(y); }
constexpr unsigned number_of(std::chrono::month m) noexcept { return static_cast<unsigned>(m); }
constexpr unsigned number_of(std::chrono::day d) noexcept { return static_cast<unsigned>(d); }
constexpr unsigned number_of(std::chrono::weekday w) noexcept { return w.c_encoding(); }

/// What a calendar counts, as a number.
template <class T, class Number>
struct calendar_codec {
  using parts = list<Number>;
  static constexpr std::size_t min_size = sizeof(Number);

  static void save(output_archive& out, const T& value) {
    impl::save_value(out, static_cast<Number>(number_of(value)));
  }
  static void load(input_archive& in, T& value) { value = T(make_value<Number>(in)); }
};

template <>
struct codec<std::chrono::year> : calendar_codec<std::chrono::year, std::int16_t> {};
template <>
struct codec<std::chrono::month> : calendar_codec<std::chrono::month, std::uint8_t> {};
template <>
struct codec<std::chrono::day> : calendar_codec<std::chrono::day, std::uint8_t> {};
template <>
struct codec<std::chrono::weekday> : calendar_codec<std::chrono::weekday, std::uint8_t> {};

template <>
struct codec<std::chrono::year_month_day> {
  using parts = list<std::chrono::year, std::chrono::month, std::chrono::day>;
  static constexpr std::size_t min_size = 4;

  static void save(output_archive& out, const std::chrono::year_month_day& value) {
    impl::save_value(out, value.year());
    impl::save_value(out, value.month());
    impl::save_value(out, value.day());
  }
  static void load(input_archive& in, std::chrono::year_month_day& value) {
    const auto year = make_value<std::chrono::year>(in);
    const auto month = make_value<std::chrono::month>(in);
    value = std::chrono::year_month_day(year, month, make_value<std::chrono::day>(in));
  }
};

} // namespace coproc::wire::impl
