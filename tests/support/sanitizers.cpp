// SPDX-License-Identifier: BSL-1.0
// sanitizers: how they are to run in every test program and its workers, unless ASAN_OPTIONS and the like say
// otherwise. Asked for by the sanitizers' runtimes; nobody calls these in a build without.

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the sanitizers' own
extern "C" {

const char* __asan_default_options();
const char* __ubsan_default_options();
const char* __tsan_default_options();
const char* __tsan_default_suppressions();

const char* __asan_default_options() { return "detect_stack_use_after_return=1:strict_string_checks=1"; }

const char* __ubsan_default_options() { return "print_stacktrace=1"; }

// A copy by fork starts kin's spawner anew when it needs it; ThreadSanitizer would end it for that.
const char* __tsan_default_options() { return "second_deadlock_stack=1:die_after_fork=0"; }

// libstdc++ counts the holders of an exception inside itself, where ThreadSanitizer does not see it: whoever frees it
// last seems to race with those who read it before.
const char* __tsan_default_suppressions() { return "race:std::__exception_ptr::exception_ptr::_M_release\n"; }
}
// NOLINTEND(bugprone-reserved-identifier)
