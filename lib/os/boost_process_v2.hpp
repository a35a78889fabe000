#pragma once

// Boost.Process v2 on standalone Asio. As shipped it does not compile there (boostorg/process #535, #537):
// some headers are missing, and some names are spelled for Boost.Asio. With the first macro it uses
// standalone Asio; BOOST_PROCESS_STANDALONE is not set, so that its errors are boost::system's, which convert
// to the standard's.
#define BOOST_PROCESS_V2_STANDALONE 1
#define BOOST_PROCESS_USE_STD_FS 1

#include <asio.hpp>

#include <boost/config.hpp>
#include <boost/container_hash/hash.hpp>
#include <boost/core/exchange.hpp>
#include <boost/io/quoted.hpp>
#include <boost/optional.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_category.hpp>
#include <boost/system/system_error.hpp>
#include <boost/throw_exception.hpp>

#include <string_view>
#include <type_traits>

#define BOOST_ASIO_MOVE_ARG(type) ASIO_MOVE_ARG(type)
#define BOOST_ASIO_DEFAULT_COMPLETION_TOKEN(executor) ASIO_DEFAULT_COMPLETION_TOKEN(executor)
#define BOOST_ASIO_DEFAULT_COMPLETION_TOKEN_TYPE(executor) ASIO_DEFAULT_COMPLETION_TOKEN_TYPE(executor)
#define BOOST_ASIO_COMPLETION_TOKEN_FOR(signature) ASIO_COMPLETION_TOKEN_FOR(signature)
#define BOOST_ASIO_INITFN_AUTO_RESULT_TYPE(token, signature) ASIO_INITFN_AUTO_RESULT_TYPE(token, signature)

namespace process_v2 {
using boost::throw_exception;
using std::basic_string_view;
using std::conditional;
using std::decay;
using std::enable_if;
using std::false_type;
using std::integral_constant;
using std::is_constructible;
using std::is_convertible;
using std::is_same;
using std::remove_pointer;
using std::true_type;
namespace v2 = ::process_v2;
} // namespace process_v2
namespace boost::process {
namespace v2 = ::process_v2;
}
