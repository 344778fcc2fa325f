// SPDX-License-Identifier: BSL-1.0
// nameless: a module without a build-id.
extern "C" __attribute__((visibility("default"))) int kin_test_of_a_nameless_module() { return 1; }
