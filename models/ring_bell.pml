// SPDX-License-Identifier: BSL-1.0
// ring_bell: the byte ring of a pipe, its two bells and the sockets behind them (src/transport/ring_wait.hpp), as
// memory with store buffers. Checked by `ctest -R models`: spin -a, then the whole state space.
//
// Model: a ring of two places. Each side's plain store of its position stays in its store buffer until it drains by
// itself, by a locked instruction or system call of its own, or by the other side's membarrier; its plain look at the
// other's bell may come before that. Bells are only changed by locked instructions. A socket is a number of bytes; a
// side that dies hangs up. The sender may be killed before any step (KILL), and a copy of its end may go on then (COPY).
//
// Mutants, each of which must be found wrong: NO_BARRIER, NO_LAST_LOOK, CLEARED_BLINDLY (the writer's bell by a late
// reader), RINGING_IGNORED (the trace of a sender killed while it rings).
//
// Claim: nobody sleeps for ever: the receiver gets every message, in order, or the end of file after those that were
// published. A sleeper left behind is an invalid end state. Not in the model: sizes, growth, wild positions, spinning.

#ifndef MESSAGES
#define MESSAGES 4
#endif
#define CAPACITY 2
#ifdef RINGING_IGNORED
#define left_ringing false
#else
#define left_ringing reader_ringing
#endif

byte tail, head;                          // as all processors see them
byte tail_buffer, head_buffer;            // what the owner has stored; equal to the above once drained
bool reader_asleep, reader_ringing;       // the reader's bell
byte writer_bell;                         // the head that a sleeping writer waits for; 0: none
byte to_reader, to_writer;                // bytes in the sockets
bool sender_gone;                         // every holder of the sending end
bool died, dying;

#define drain_tail tail = tail_buffer
#define drain_head head = head_buffer

inline ring_reader() {
  // The plain look. tail_buffer may not have drained yet: that is what the reader's membarrier is for.
  if
  :: atomic { !reader_asleep && !left_ringing -> skip }
  :: atomic { (reader_asleep || left_ringing) -> drain_tail };
     atomic { drain_tail; taken = (reader_asleep || left_ringing); reader_asleep = false; reader_ringing = true };
     if
     :: taken -> atomic { to_reader++ }
     :: else
     fi;
     atomic { reader_ringing = false }
  fi
}

proctype sender(byte first; byte last; bool may_die) {
  byte next = first;
  bool taken;
  {
    do
    :: next == last -> break
    :: next != last && tail_buffer - head < CAPACITY ->
       tail_buffer = next + 1;            // one message a place: its number is its position
       next = tail_buffer;
       ring_reader()
    :: next != last && tail_buffer - head >= CAPACITY ->
       atomic { drain_tail; writer_bell = tail_buffer + 1 - CAPACITY };
#ifndef NO_BARRIER
       atomic { drain_head; drain_tail }; // membarrier: both sides' buffers
#endif
       if
       :: head + CAPACITY > tail_buffer -> skip
       :: else -> to_writer > 0 -> to_writer = 0
       fi;
       writer_bell = 0
    od;
    atomic { drain_tail; sender_gone = true }
  } unless { may_die && dying }
}

proctype buffers() {                      // stores drain at any time
end:
  do
  :: tail != tail_buffer -> drain_tail
  :: head != head_buffer -> drain_head
  od
}

proctype receiver() {
  byte got, wanted;
  do
  :: got == tail -> // nothing there: set the bell, membarrier, look a last time
     atomic { drain_head; reader_asleep = true };
#ifndef NO_BARRIER
     atomic { drain_tail; drain_head };
#endif
     if
#ifndef NO_LAST_LOOK
     :: got != tail -> atomic { reader_asleep = false }
     :: else ->
#else
     :: true ->
#endif
        if
        :: to_reader > 0 -> to_reader = 0
        :: to_reader == 0 && sender_gone ->
           if
           :: got == tail -> break
           :: else
           fi
        fi
     fi
  :: got != tail ->
     assert(tail - got <= CAPACITY);
     got++;
     head_buffer = got;
     if
     :: atomic { writer_bell != 0 && got >= writer_bell -> wanted = writer_bell; drain_head };
        atomic { to_writer++ };
        atomic {                           // compare and exchange
#ifdef CLEARED_BLINDLY
          writer_bell = 0
#else
          if
          :: writer_bell == wanted -> writer_bell = 0
          :: else
          fi
#endif
        }
     :: else
     fi
  od;
  assert(got == tail);
  assert(died || got == MESSAGES)
}

init {
  atomic {
    run buffers();
    run receiver();
#ifdef KILL
    run sender(0, MESSAGES, true)
#else
    run sender(0, MESSAGES, false)
#endif
  }
#ifdef KILL
  if
  :: atomic { !sender_gone -> died = true; dying = true; drain_tail;
#ifdef COPY
       run sender(tail, MESSAGES, false) }
#else
       sender_gone = true }
#endif
  :: sender_gone
  fi
#endif
}
