// SPDX-License-Identifier: BSL-1.0
// queue: the chain of a ring_queue, its two locks and its bells (src/queue/ring_queue.cpp), as memory with store buffers.
// Checked by `ctest -R models`: spin -a, then the whole state space.
//
// Model: a memory of SLOTS places, of which the queue may fill CAPACITY. A plain store stays in the storer's buffer
// until it drains by itself, by a locked instruction or system call of the storer, or by a sleeper's membarrier.
// Positions are kept twice; the word that counts says which is meant. Bells are changed by locked instructions only. A
// killed process has done a part of its program; what it had stored drains; then it is marked as dead, then everybody
// who sleeps is roused. Two producers and a consumer, of which a producer may be killed before any step (KILL), or one
// producer and two consumers, of which a consumer may be (KILL_CONSUMER). At last somebody closes the queue. Each
// producer puts one item (FIRST, SECOND): with more the search did not end within
// minutes. A lock is its word alone here, and each sleeper calls membarrier: that the bias and the care of bells do no
// less is what turn.pml and bell.pml are about.
//
// Mutants, each of which must be found wrong: COMMITTED_FIRST, LEDGER_LATE (written behind the commit),
// NO_TAKE_OVER (of a dead one's lock), NO_BARRIER, NO_LAST_LOOK, TURN_NOT_RUNG, DEATH_NOT_ANNOUNCED.
//
// Claim: every item comes once and as it was put, those of a producer in order and without a gap; only what the killed
// was putting may be missing, or what it had just got. Nobody sleeps for ever: that is an invalid end state. Not in the
// model: sizes, growth of the chain, wild positions, spinning, time-outs, polling.

#ifdef KILL_CONSUMER
#define PRODUCERS 1
#define CONSUMERS 2
#define KILL
#else
#define PRODUCERS 2
#define CONSUMERS 1
#endif
#ifndef FIRST
#define FIRST 1                           // items of the producers
#define SECOND 1
#endif
#ifdef KILL
#define CAPACITY 2                        // never full: who waits for room is in the model without a death
#else
#define CAPACITY 1
#endif
#define SLOTS 2
#define PEOPLE 4                          // 1 and 2: producers; 3: consumer, or 2 and 3: consumers
#define VICTIM 2

// Places of the memory.
#define PUT_LOCK 0
#define GET_LOCK 1
#define TAIL 2
#define HEAD 3
#define TAILS 4
#define HEADS 6
#define CLOSED 8
#define ITEMS_AT 9
byte memory[11];
chan buffer[PEOPLE] = [3] of { byte, byte };
hidden byte place, what;

// Bells.
#define ITEM 1
#define SPACE 2
#define PUT_TURN 3
#define GET_TURN 4
byte rings[5];
bool asleep[5];
byte sleeps_on[PEOPLE];                   // 0: awake

bool dead[PEOPLE];
bool dying, victim_ended;
byte finished, got[12];

inline drain(who) {
  do
  :: buffer[who]?place, what -> memory[place] = what
  :: empty(buffer[who]) -> break
  od
}
inline drain_all() { drain(1); drain(2); drain(3) }
inline store(where, new) { buffer[me]!where, new }

inline wake_all(b) {
  sleeps_on[1] = (sleeps_on[1] == b -> 0 : sleeps_on[1]);
  sleeps_on[2] = (sleeps_on[2] == b -> 0 : sleeps_on[2]);
  sleeps_on[3] = (sleeps_on[3] == b -> 0 : sleeps_on[3])
}

inline ring(b) {
  if
  :: atomic { !asleep[b] -> skip }           // the plain look: what was stored before may not have drained
  :: atomic { asleep[b] -> drain(me); rings[b] = (rings[b] + 1) % 8; mine = rings[b] };
     atomic {
       if
       :: sleeps_on[1] == b -> sleeps_on[1] = 0; mine = 0
       :: sleeps_on[2] == b -> sleeps_on[2] = 0; mine = 0
       :: sleeps_on[3] == b -> sleeps_on[3] = 0; mine = 0
       :: else
       fi
     };
     if
     :: mine == 0 -> skip
     :: else ->                           // nobody slept: take the bit away, unless somebody has rung since
        atomic { if
        :: rings[b] == mine -> rings[b] = (rings[b] + 1) % 8; asleep[b] = false
        :: else -> mine = 0
        fi };
        if
        :: mine != 0 -> atomic { wake_all(b) }
        :: else
        fi;
        mine = 0
     fi
  fi
}

#ifdef NO_BARRIER
#define barrier drain(me)
#else
#define barrier drain_all()
#endif
inline announce(b) {
  // In one step: a ring between the two would only keep this one awake.
  atomic { drain(me); asleep[b] = true; mine = rings[b]; barrier }
}
inline sleep_on(b) {
  atomic { if
  :: rings[b] == mine -> sleeps_on[me] = b
  :: else
  fi; mine = 0 };
  sleeps_on[me] == 0
}

#ifdef NO_TAKE_OVER
#define is_free(lock) (memory[lock] == 0)
#else
#define is_free(lock) (memory[lock] == 0 || dead[memory[lock]])
#endif
inline try_take(lock) {
  atomic {
    drain(me);
    if
    :: is_free(lock) -> memory[lock] = me; held = true
    :: else
    fi
  }
}
inline take(lock, b) {
  try_take(lock);
  do
  :: held -> break
  :: else ->
     announce(b);
#ifndef NO_LAST_LOOK
     try_take(lock);
#endif
     if
     :: held -> mine = 0
     :: else -> sleep_on(b)
     fi;
#ifdef NO_LAST_LOOK
     try_take(lock)
#endif
  od
}
#ifdef TURN_NOT_RUNG
#define ring_turn(b) skip
#else
#define ring_turn(b) ring(b)
#endif
inline release(lock, b) {
  atomic { held = false; store(lock, 0) };
  ring_turn(b)
}

#define puts (memory[TAIL] >> 1)
#define gets (memory[HEAD] >> 1)
#define is_full (puts - gets >= CAPACITY)

// What only the holder of a lock reads need not lie in the buffer: it drains before what gives it a meaning.
inline write_item(now, new) { memory[ITEMS_AT + memory[TAILS + (now & 1)]] = new }
inline write_tails(now) { memory[TAILS + 1 - (now & 1)] = (memory[TAILS + (now & 1)] + 1) % SLOTS }
inline commit_tail(now) { store(TAIL, (((now >> 1) + 1) << 1) | (1 - (now & 1))) }
inline append(new) {
  now = memory[TAIL];
#ifdef COMMITTED_FIRST
  write_tails(now);
  commit_tail(now);
  write_item(now, new)
#else
#ifdef LEDGER_LATE
  write_item(now, new);
  commit_tail(now);
  write_tails(now)
#else
  write_item(now, new);
  write_tails(now);
  commit_tail(now)
#endif
#endif
}

// Waits until `look` holds.
inline wait_for(b, look) {
  do
  :: announce(b);
#ifndef NO_LAST_LOOK
     if
     :: atomic { look -> mine = 0; break }
     :: atomic { !(look) -> skip }
     fi;
#endif
     sleep_on(b)
#ifdef NO_LAST_LOOK
     ; if
     :: look -> break
     :: else
     fi
#endif
  od
}

proctype producer(byte me) {
  byte now, mine, n;
  bool held;
  {
    do
    :: n == (me == 1 -> FIRST : SECOND) -> break
    :: else ->
       take(PUT_LOCK, PUT_TURN);
       if
       :: !is_full ->
          append((me << 2) | n);
          atomic { n++; now = 0 };
          release(PUT_LOCK, PUT_TURN);
          ring(ITEM)
       :: else ->
          release(PUT_LOCK, PUT_TURN);
          wait_for(SPACE, !is_full)
       fi
    od;
    atomic { drain(me); finished++; victim_ended = victim_ended || me == VICTIM }
  } unless { dying && me == VICTIM }
}

proctype consumer(byte me) {
  byte now, mine, item;
  bool held, closed;
  {
    do
    :: take(GET_LOCK, GET_TURN);
       if
       :: puts != gets ->
          now = memory[HEAD];
          atomic {
            item = memory[ITEMS_AT + memory[HEADS + (now & 1)]];
            // As it was put. Nothing is true of it before it is taken: until then only this one may take it.
            assert(item != 0)
          };
          memory[HEADS + 1 - (now & 1)] = (memory[HEADS + (now & 1)] + 1) % SLOTS;
          atomic {
            store(HEAD, (((now >> 1) + 1) << 1) | (1 - (now & 1)));
            // Once, and in the order of its producer: what came before it is gone already.
            assert(got[item - 4] == 0);
            assert((item & 3) == 0 || got[item - 5] != 0);
            got[item - 4] = 1;
            item = 0; now = 0
          };
          release(GET_LOCK, GET_TURN);
          ring(SPACE)
       :: else ->
          release(GET_LOCK, GET_TURN);
          closed = (memory[CLOSED] != 0);
          if
          :: atomic { puts != gets -> closed = false }
          :: puts == gets && closed -> break
          :: puts == gets && !closed -> wait_for(ITEM, (puts != gets || memory[CLOSED] != 0))
          fi
       fi
    od;
    atomic { drain(me); finished++; victim_ended = victim_ended || me == VICTIM }
  } unless { dying && me == VICTIM }
}

proctype buffers() {                      // stores drain at any time
end:
  do
  :: atomic { buffer[1]?place, what -> memory[place] = what }
  :: atomic { buffer[2]?place, what -> memory[place] = what }
  :: atomic { buffer[3]?place, what -> memory[place] = what }
  od
}

inline rouse(b) { atomic { rings[b] = (rings[b] + 1) % 8; wake_all(b) } }

proctype supervisor() {                   // one death, at any time
  if
  :: atomic { !victim_ended -> dying = true; drain(VICTIM); sleeps_on[VICTIM] = 0 };
     dead[VICTIM] = true;
#ifndef DEATH_NOT_ANNOUNCED
     rouse(ITEM); rouse(PUT_TURN); rouse(GET_TURN);
#endif
  :: victim_ended
  fi
}

#ifdef KILL_CONSUMER
#define all_put (finished >= 1)
#else
#define all_put (finished + dead[VICTIM] >= 2)
#endif
init {
  atomic {
    run buffers();
    run producer(1);
#ifdef KILL_CONSUMER
    run consumer(2);
#else
    run producer(2);
#endif
    run consumer(3);
#ifdef KILL
    run supervisor()
#endif
  };
  // Somebody closes it: a put like any other but for its item, and so in one step here.
  atomic { all_put && is_free(PUT_LOCK) -> memory[CLOSED] = 1; rings[ITEM] = (rings[ITEM] + 1) % 8; wake_all(ITEM) };
  finished + dead[VICTIM] >= PRODUCERS + CONSUMERS;
  assert(puts == gets)
}
