// SPDX-License-Identifier: BSL-1.0
// program_without_init: its main() might be somebody else's, so it links kin::main instead of calling kin::init().
#include <kin/kin.hpp>

int square(int n) { return n * n; }

int main() { return kin::async(square, 3).get() == 9 ? 0 : 1; }
