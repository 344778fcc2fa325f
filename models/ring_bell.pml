// SPDX-License-Identifier: BSL-1.0
// ring_bell: the byte ring of a pipe (src/memory/byte_ring.hpp), its two bells and the sockets behind them
// (src/transport/ring_wait.hpp), as memory with store buffers. Checked by `ctest -R models`: spin -a, then all states.
//
// Model: a ring of three words, a message a word and a word that says that nothing follows. The writer's plain stores
// (the 0 behind a message, the message's word, the tail) stay in its store buffer, in order, until they drain by
// themselves, by a locked instruction or system call of its own, or by the other side's membarrier; so does the
// reader's position, and its care: whether it wants the writer to make a fence before that look, so that the reader
// need not call membarrier for each sleep. A plain look at the other's bell may come before that. Bells are only changed
// by locked instructions. A socket is a number of bytes, and so is the reader's event, which is cleared on the way to the
// next sleep; a side that dies hangs up. The sender may be killed before any step (KILL), when what it has stored
// drains, and a copy of its end may go on then (COPY): behind the tail, or behind a message that was published there.
// The reader tells of its position late or never; a writer that goes to sleep looks at the position itself.
//
// Mutants, each of which must be found wrong: NO_BARRIER, NO_LAST_LOOK, NO_END (the word behind a message is left as it
// was a lap ago), LAST_LOOK_AT_HEAD, CLEARED_BLINDLY (the writer's bell by a late reader), TAIL_BELIEVED (the copy does
// not look for a published message), RINGING_IGNORED (the trace of a sender killed while it rings), NO_FENCE
// (where it is wanted), STILL_SETTLED (the reader wants no fences any more, and sleeps as if it did), CLEARED_LATE (the
// event, after the last look).
//
// Claim: nobody sleeps for ever: the receiver gets every message, in order, or the end of file after those that were
// published. A sleeper left behind is an invalid end state. Not in the model: sizes, growth, wild positions, spinning.

#ifndef MESSAGES
#define MESSAGES 4
#endif
#define WORDS 3
#define CAPACITY 2
#ifdef RINGING_IGNORED
#define left_ringing false
#else
#define left_ringing reader_ringing
#endif

#define COPYS 64

byte word[WORDS];                         // as all processors see them: 0, or a message's number + 1, + 64 for a copy's
byte tail, position, head;
bool reader_asleep, reader_ringing;       // the reader's bell
byte writer_bell;                         // the position that a sleeping writer waits for; 0: none
byte to_reader, to_writer;                // rings: of the reader's event, bytes in the writer's socket
bool sender_gone;                         // every holder of the sending end
bool died, dying;

// The writer's store buffer: what it has stored and others do not see yet. stage: how much of the last message is out.
byte number, stage = 3;                   // 0: nothing, 1: the end behind it, 2: its word, 3: the tail
byte position_buffer;
byte received;
bool care, care_buffer, settled;          // settled: all know, by a membarrier
byte mark;                                // COPYS once a copy writes
byte of_copy;                             // messages that it still has to send, or that are on the way

inline drain_one() {
  if
#ifdef NO_END
  :: stage == 0 -> stage = 1
#else
  :: stage == 0 -> word[(number + 1) % WORDS] = 0; stage = 1
#endif
  :: stage == 1 -> word[number % WORDS] = number + 1 + mark; stage = 2
  :: stage == 2 -> tail = number + 1; stage = 3
  :: stage == 3
  fi
}
inline drain_writer() { drain_one(); drain_one(); drain_one() }
#define drain_reader position = position_buffer; care = care_buffer

inline ring_reader() {
  careful = care;                         // a plain look, too
#ifndef NO_FENCE
  if
  :: atomic { careful -> drain_writer() }
  :: else
  fi;
#endif
  // The plain look. The message may not have drained yet: that is what the reader's membarrier is for.
  if
  :: atomic { !reader_asleep && !left_ringing -> skip }
  :: atomic { (reader_asleep || left_ringing) -> skip };
     if
     :: atomic { position == number + 1 -> skip }  // read meanwhile: nobody sleeps beside it
     :: atomic { position != number + 1 -> drain_writer() };
        atomic { drain_writer(); taken = (reader_asleep || left_ringing); reader_asleep = false; reader_ringing = true };
        if
        :: taken -> atomic { to_reader++ }
        :: else
        fi;
        atomic { reader_ringing = false }
     fi
  fi
}

proctype sender(byte first; byte last; bool may_die) {
  byte next = first;
  byte known;                             // of what has been read
  bool taken, careful;
  {
    do
    :: next == last -> break
    :: next != last && next - known < CAPACITY ->
       atomic { stage == 3 -> number = next; stage = 0; next = next + 1 };
       ring_reader()
    :: next != last && next - known >= CAPACITY && head > known -> known = head
    :: next != last && next - known >= CAPACITY && head <= known ->
       atomic { drain_writer(); writer_bell = next + 1 - CAPACITY };
#ifndef NO_BARRIER
       atomic { drain_reader; drain_writer() };  // membarrier: both sides' buffers
#endif
       do
#ifdef LAST_LOOK_AT_HEAD
       :: head + CAPACITY > next -> known = head; break
       :: head + CAPACITY <= next -> to_writer > 0 -> to_writer = 0
#else
       :: position + CAPACITY > next -> known = position; break
       :: position + CAPACITY <= next -> to_writer > 0 -> to_writer = 0
#endif
       od;
       writer_bell = 0
    od;
    if                                    // as who waits for an answer before it ends: a hang-up hides a lost ring.
    :: first < last -> received >= last   // (The ring of a message of a dead sender is left to a copy's next message.)
    :: else
    fi;
    atomic { drain_writer(); sender_gone = true }
  } unless { may_die && dying }
}

proctype buffers() {                      // stores drain at any time, each by itself
end:
  do
  :: atomic { stage != 3 -> drain_one() }
  :: atomic { position != position_buffer -> position = position_buffer }
  :: atomic { care != care_buffer -> care = care_buffer }
  od
}

proctype receiver() {
  byte got, wanted;
  do
  :: word[got % WORDS] == 0 -> // nothing there: set the bell, membarrier if need be, look a last time
#ifndef CLEARED_LATE
     to_reader = 0;
#endif
     if
     :: settled -> atomic { drain_reader; reader_asleep = true }
     :: !settled ->
        care_buffer = true;
        atomic { drain_reader; reader_asleep = true };
#ifndef NO_BARRIER
        atomic { drain_writer(); drain_reader };
#endif
        settled = true
     fi;
     if
#ifndef NO_LAST_LOOK
     :: word[got % WORDS] != 0 -> atomic { reader_asleep = false }
     :: else ->
#else
     :: true ->
#endif
#ifdef CLEARED_LATE
        to_reader = 0;
#endif
        if
        :: to_reader > 0
        :: to_reader == 0 && sender_gone ->
           if
           :: word[got % WORDS] == 0 -> break
           :: else
           fi
        fi
     fi
  :: word[got % WORDS] != 0 ->
     assert(word[got % WORDS] % COPYS == got + 1);
     if
     :: word[got % WORDS] > COPYS -> of_copy--
     :: else
     fi;
     got++;
     received = got;
     position_buffer = got;
     if                                   // tells of it, or not yet
     :: head = got
     :: skip
     fi;
     if                                   // there is a stream to read, or not
#ifdef STILL_SETTLED
     :: care_buffer = false
#else
     :: atomic { settled = false; care_buffer = false }
#endif
     :: skip
     fi;
     if
     :: atomic { writer_bell != 0 && got >= writer_bell -> wanted = writer_bell; drain_reader };
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
  assert(died || got == MESSAGES);
  assert(of_copy == 0)
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
  // Of its stores some drain, none or all: those it has not made are as if they had not been drained.
  :: atomic { !sender_gone -> died = true; dying = true;
       if
       :: stage < 2 -> stage = 3          // killed before the message's word was stored
       :: stage < 3 -> if :: stage == 1 -> drain_one() :: else fi; stage = 3   // killed before the tail
       :: drain_writer()
       fi;
#ifdef COPY
#ifndef TAIL_BELIEVED
       if
       :: word[tail % WORDS] != 0 -> tail++
       :: else
       fi;
#endif
       mark = COPYS;
       of_copy = MESSAGES - tail;
       run sender(tail, MESSAGES, false) }
#else
       sender_gone = true }
#endif
  :: sender_gone
  fi
#endif
}
