#include "ipc/message.hpp"

#include <coproc/wire_error.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace coproc::detail {

namespace {

constexpr std::size_t first_capacity = 128; // a pool may hold a million of them

std::size_t used(const std::byte* at, const message_buffer& buffer) {
  return at ? static_cast<std::size_t>(at - buffer.data()) : 0;
}

} // namespace

const std::size_t message::segment_threshold = 64 * 1024;

int attachment::take() noexcept {
  if (!lender) return owned.release().release();
  const int copy = os::duplicate(lent).release();
  lender.reset();
  return copy;
}

/// Writes what is in the buffer to the segment, where it stays out of in_segment.
void message::contents::write_buffered(std::size_t size) {
  if (size != 0) segment.write(buffer.data(), size, message_lead + in_segment);
}

message::message() noexcept = default;

message::message(message&& other) noexcept
    : at_(std::exchange(other.at_, nullptr)), end_(std::exchange(other.end_, nullptr)),
      contents_(std::move(other.contents_)) {}

message& message::operator=(message&& other) noexcept {
  if (this != &other) {
    at_ = std::exchange(other.at_, nullptr);
    end_ = std::exchange(other.end_, nullptr);
    contents_ = std::move(other.contents_);
  }
  return *this;
}

message::~message() = default;

message::contents& message::own() {
  if (!contents_) contents_ = std::make_unique<contents>();
  return *contents_;
}

void message::append_beyond(const void* data, std::size_t size) {
  contents& own = this->own();
  if (own.received) throw std::logic_error("wire: a message that was received can't grow");
  std::size_t buffered = used(at_, own.buffer);

  if (!own.segment && size <= segment_threshold - buffered) {
    std::size_t capacity =
        std::min(std::max({first_capacity, own.buffer.size() * 2, buffered + size}), segment_threshold);
    message_buffer larger(capacity);
    if (buffered != 0) std::memcpy(larger.data(), own.buffer.data(), buffered);
    own.buffer = std::move(larger);
    at_ = own.buffer.data() + buffered;
    end_ = own.buffer.data() + capacity;
    std::memcpy(at_, data, size);
    at_ += size;
    return;
  }

  own.view.reset();
  if (!own.segment) own.segment = os::memory_segment::create("coproc message");
  // Either both parts get there or what was written counts for nothing.
  own.write_buffered(buffered);
  if (size >= own.buffer.size()) {
    own.segment.write(data, size, message_lead + own.in_segment + buffered);
    own.in_segment += buffered + size;
    at_ = own.buffer.data();
  } else {
    own.in_segment += buffered;
    std::memcpy(own.buffer.data(), data, size);
    at_ = own.buffer.data() + size;
  }
}

std::size_t message::attach(int descriptor) {
  os::unique_fd owner(descriptor);
  contents& own = this->own();
  own.descriptors.emplace_back(std::move(owner));
  return own.descriptors.size() - 1;
}

std::size_t message::lend(int descriptor, std::shared_ptr<const void> owner) {
  contents& own = this->own();
  own.descriptors.emplace_back(descriptor, std::move(owner));
  return own.descriptors.size() - 1;
}

std::size_t message::size() const noexcept {
  return contents_ ? contents_->in_segment + used(at_, contents_->buffer) : 0;
}

std::span<const std::byte> message::bytes() const {
  if (!contents_) return {};
  contents& own = *contents_;
  const std::size_t buffered = used(at_, own.buffer);
  if (!own.segment && !own.view) return {own.buffer.data(), buffered};
  if (!own.segment) return std::span(own.view.data(), own.view.size()).subspan(message_lead);
  // What is in the buffer is written again when it is full: to the same place.
  own.write_buffered(buffered);
  const std::size_t size = message_lead + own.in_segment + buffered;
  if (own.view.size() != size) {
    own.view.reset();
    own.view = own.segment.map(size, os::access::read, os::sharing::copy, os::population::now);
  }
  return std::span(own.view.data(), size).subspan(message_lead);
}

std::size_t message::descriptor_count() const noexcept {
  return contents_ ? contents_->descriptors.size() : 0;
}

int message::take(std::size_t index) noexcept {
  return index < descriptor_count() ? contents_->descriptors[index].take() : -1;
}

void message::clear() noexcept {
  if (!contents_) return;
  contents& own = *contents_;
  own.segment = {};
  own.in_segment = 0;
  own.view.reset();
  own.received = false;
  own.descriptors.clear();
  if (own.buffer.size() > segment_threshold) own.buffer = {};
  at_ = own.buffer.data();
  end_ = at_ + own.buffer.size();
}

int message_access::segment(message& of) {
  if (!of.contents_ || !of.contents_->segment) return -1;
  message::contents& own = *of.contents_;
  const std::size_t buffered = used(of.at_, own.buffer);
  own.write_buffered(buffered);
  own.in_segment += buffered;
  of.at_ = of.end_ = own.buffer.data(); // it can't grow any more
  if (!own.received) own.segment.seal();
  own.received = true;
  return own.segment.fd();
}

std::vector<int> message_access::descriptors(const message& of) {
  std::vector<int> all;
  if (!of.contents_) return all;
  for (const attachment& one : of.contents_->descriptors) all.push_back(one.get());
  return all;
}

void message_access::keep_in_fork(message& of) noexcept {
  if (!of.contents_) return;
  for (attachment& one : of.contents_->descriptors) one.owned.give_to(os::held_by::fork);
}

void message_access::adopt(message& to, message_buffer bytes, std::size_t size) {
  message::contents& own = to.own();
  own.buffer = std::move(bytes);
  to.at_ = to.end_ = own.buffer.data() + size;
}

void message_access::keep_mapped(message& of) {
  if (!of.contents_ || !of.contents_->segment) return;
  (void)of.bytes();
  of.contents_->segment = {};
}

message message_access::of_segment(os::unique_fd segment, std::size_t size,
                                   std::vector<os::unique_fd> descriptors) {
  message made;
  message::contents& own = made.own();
  own.segment = os::memory_segment(std::move(segment));
  for (os::unique_fd& fd : descriptors) own.descriptors.emplace_back(std::move(fd));
  own.received = true;
  if (!own.segment.is_sealed()) throw wire::error("wire: the shared memory of a message is not sealed");
  if (size == 0 || own.segment.size() != message_lead + size)
    throw wire::error("wire: the shared memory of a message has " + std::to_string(own.segment.size()) +
                      " bytes, and not " + std::to_string(message_lead + size));
  own.in_segment = size;
  return made;
}

} // namespace coproc::detail
