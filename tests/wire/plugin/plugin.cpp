// SPDX-License-Identifier: BSL-1.0
// plugin: a module that the tests load with dlopen, with tasks of its own.
#include <kin/wire/call.hpp>

namespace {
int in_plugin(int n) { return n + 1000; }
}  // namespace

// Requests made where the plugin is loaded, to be run where it may not be.
extern "C" KIN_EXPORT void kin_test_function_request(kin::detail::parcel& request) {
  request = kin::detail::encode_call(in_plugin, 1);
}
extern "C" KIN_EXPORT void kin_test_lambda_request(kin::detail::parcel& request) {
  request = kin::detail::encode_call([](int n) { return n + 2000; }, 1);
}
