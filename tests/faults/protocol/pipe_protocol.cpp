// SPDX-License-Identifier: BSL-1.0
// pipe_protocol: what must hold of a pipe between processes, wherever its two sides are stopped or killed. With the
// name of a mutant as its argument the pipe is broken there; a second argument names the only check to run. Exit status
// 1, with a sentence, when something does not hold.
#include <cstring>

#include "faults/protocol/pipe_under_test.hpp"
#include "memory/mutant.hpp"

std::string_view kin::detail::active_mutant;

namespace {

struct check {
  const char* name;
  void (*run)();
};
constexpr check checks[] = {
    {"who waits is woken", kin_test::who_waits_is_woken},
    {"messages come out as they went in", kin_test::messages_come_out_as_they_went_in},
    {"a closed end is heard of", kin_test::a_closed_end_is_heard_of},
    {"who has seen a message may leave", kin_test::who_has_seen_a_message_may_leave},
    {"no message is missed on the way to sleep", kin_test::no_message_is_missed_on_the_way_to_sleep},
    {"no room is missed on the way to sleep", kin_test::no_room_is_missed_on_the_way_to_sleep},
    {"a slow ringer silences no later ring", kin_test::a_slow_ringer_silences_no_later_ring},
    {"a bell set anew is left alone", kin_test::a_bell_set_anew_is_left_alone},
    {"both in turn come to their end", kin_test::both_in_turn_come_to_their_end},
    {"bytes are not overwritten while they are read", kin_test::bytes_are_not_overwritten_while_they_are_read},
    {"a killed sender leaves whole messages", kin_test::a_killed_sender_leaves_whole_messages},
    {"a copy of a killed sender's end goes on", kin_test::a_copy_of_a_killed_senders_end_goes_on},
    {"a copy of a killed receiver's end goes on", kin_test::a_copy_of_a_killed_receivers_end_goes_on},
    {"pollers see what is there", kin_test::pollers_see_what_is_there},
    {"pollers see no more than there is", kin_test::pollers_see_no_more_than_there_is},
    {"no message is missed between two processors", kin_test::no_message_is_missed_between_two_processors},
    {"no room is missed between two processors", kin_test::no_room_is_missed_between_two_processors},
};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc > 1) kin::detail::active_mutant = argv[1];
  for (const check& c : checks) {
    if (argc > 2 && argv[2][0] != 0 && std::strcmp(argv[2], c.name) != 0) continue;
    std::printf("  %s\n", c.name);
    try {
      c.run();
    } catch (const std::exception& e) {
      kin_test::violated(e.what());
    }
  }
  std::printf("  holds\n");
}
