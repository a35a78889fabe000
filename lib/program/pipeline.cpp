#include <coproc/pipeline.hpp>

#include "program/command_spec.hpp"

#include <stdexcept>

namespace coproc {

using detail::access;

void detail::require_stages(const pipeline& stages) {
  if (stages.stages().empty()) throw std::logic_error("pipeline: it was moved from");
}

namespace {

bool is_free(const stdio& stream) {
  return access::kind_of(stream) == access::kind::unset || access::kind_of(stream) == access::kind::pipe;
}

} // namespace

pipeline::pipeline(command first, command second) {
  stages_.push_back(std::move(first));
  append(std::move(second));
}

void pipeline::append(command next) {
  detail::require_stages(*this);
  if (!is_free(access::spec(stages_.back()).out))
    throw std::invalid_argument("pipeline: stdout of '" + stages_.back().to_string() +
                                "' goes elsewhere already");
  if (!is_free(access::spec(next).in))
    throw std::invalid_argument("pipeline: stdin of '" + next.to_string() + "' comes from elsewhere already");
  stages_.push_back(std::move(next));
}

pipeline operator|(command first, command second) { return pipeline(std::move(first), std::move(second)); }

pipeline operator|(pipeline stages, command next) {
  stages.append(std::move(next));
  return stages;
}

// A command knows what is wrong with a value: it is tried on a copy.

pipeline& pipeline::cwd(std::filesystem::path directory) & {
  detail::require_stages(*this);
  command(stages_.front()).cwd(directory);
  cwd_ = std::move(directory);
  return *this;
}

pipeline& pipeline::env(std::string key, std::string value) & {
  detail::require_stages(*this);
  command(stages_.front()).env(key, value);
  env_.emplace_back(std::move(key), std::move(value));
  return *this;
}

pipeline& pipeline::unset_env(std::string key) & {
  detail::require_stages(*this);
  command(stages_.front()).unset_env(key);
  env_.emplace_back(std::move(key), std::nullopt);
  return *this;
}

pipeline& pipeline::timeout(duration d) & {
  if (d < duration::zero()) throw std::invalid_argument("pipeline: the timeout is negative");
  timeout_ = d;
  return *this;
}

pipeline& pipeline::check() & {
  check_ = true;
  return *this;
}

std::string pipeline::to_string() const {
  std::string result;
  for (const command& stage : stages_) result += (result.empty() ? "" : " | ") + stage.to_string();
  return result;
}

} // namespace coproc
