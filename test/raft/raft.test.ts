import { describe, expect, test } from "vitest";
import { defaultMemberConfig } from "../../core/config.ts";
import { indexOf, type MemberId, memberIdOf, noIndex, noTerm, termOf } from "../../core/ids.ts";
import { describeMessage } from "../../core/raft/describe.ts";
import { ForwardedOnce } from "../../core/raft/forwarded.ts";
import { blankHardState, noRegistrations } from "../../core/raft/hard-state.ts";
import { Inflight } from "../../core/raft/inflight.ts";
import type { Configuration, Entry, HardState, RaftMessage } from "../../core/raft/message.ts";
import { Raft } from "../../core/raft/raft.ts";
import type { Ready } from "../../core/raft/ready.ts";
import { SimRandom } from "../../sim/random.ts";

const id = (number: number): MemberId => memberIdOf(BigInt(number));
const three: Configuration = { voters: [id(1), id(2), id(3)], outgoing: [], learners: [] };

const command = (index: number, term: number): Entry => ({
  index: indexOf(index),
  term: termOf(term),
  kind: "command",
  data: Uint8Array.of(index),
});

function raftOf(options: {
  readonly configuration?: Configuration;
  readonly hardState?: Partial<HardState>;
  readonly entries?: readonly Entry[];
  readonly seed?: number;
  readonly proposalsMax?: number;
  /** A snapshot that the log follows, and that is applied. */
  readonly base?: { readonly index: number; readonly term: number };
}): Raft {
  const { index, term } = options.base ?? { index: noIndex, term: noTerm };
  return new Raft({
    id: id(1),
    configuration: options.configuration ?? three,
    config: { ...defaultMemberConfig, proposalsMax: options.proposalsMax ?? 10 },
    hardState: { ...blankHardState, ...options.hardState },
    snapshotIndex: indexOf(index),
    snapshotTerm: termOf(term),
    entries: options.entries ?? [],
    appliedIndex: indexOf(index),
    random: new SimRandom(options.seed ?? 1),
    incarnation: 1,
    standing: "sound",
    hasServed: () => false,
    wasVoter: () => false,
  });
}

/** What the answers of a member say about itself. */
const life = { incarnation: 1, isRecovering: false, registrations: noRegistrations } as const;

const nothing = { index: noIndex, term: noTerm };

const sent = (ready: Ready): readonly string[] =>
  [...ready.messages, ...ready.messagesAfterPersist].map(describeMessage);

const heartbeat = (from: number, term: number): RaftMessage => ({
  type: "heartbeat",
  from: id(from),
  to: id(1),
  term: termOf(term),
  commitIndex: noIndex,
  toIncarnation: 1,
  readRound: 0,
  held: undefined,
});

/** A leader of term 1 whose every own write is done at once. */
function leaderOf(options: Parameters<typeof raftOf>[0] = {}): Raft {
  const raft = raftOf(options);
  raft.campaign();
  for (const type of ["preVoteReply", "voteReply"] as const) {
    raft.step({ ...life, type, from: id(2), to: id(1), term: termOf(1), granted: true, committed: nothing });
  }
  expect(raft.role).toBe("leader");
  persistAll(raft);
  return raft;
}

function persistAll(raft: Raft): void {
  while (raft.hasReady()) {
    const last = raft.takeReady().entries.at(-1);
    if (last !== undefined) raft.persisted(last.index, last.term);
  }
}

describe("who is listened to", () => {
  test("a stranger's vote request, answer or forwarded proposal is ignored, however high its term", () => {
    const raft = leaderOf();
    const stranger = { from: id(9), to: id(1), term: termOf(50) } as const;
    raft.step({ ...stranger, type: "vote", lastIndex: indexOf(99), lastTerm: termOf(49), transfer: true });
    raft.step({ ...stranger, type: "appendAccepted", matchIndex: indexOf(1), ...life });
    raft.step({ ...stranger, type: "propose", incarnation: 1, sequence: 1, commands: [Uint8Array.of(1)] });
    expect([raft.role, raft.term, raft.lastIndex]).toEqual(["leader", 1, 1]);
    expect(raft.hasReady()).toBe(false);
  });

  test("a leader that this member's configuration does not name yet is heard", () => {
    const raft = raftOf({ configuration: { voters: [id(2)], outgoing: [], learners: [] } });
    raft.step(heartbeat(7, 3));
    expect([raft.leaderId, raft.term]).toEqual([id(7), 3]);
    expect(sent(raft.takeReady())).toEqual(["1→7 heartbeatReply term=3 round=0 life=1"]);
  });

  test("a message for another member, or from this one, changes nothing", () => {
    const raft = raftOf({});
    raft.step({ ...heartbeat(2, 3), to: id(2) });
    raft.step(heartbeat(1, 3));
    expect([raft.term, raft.hasReady()]).toEqual([0, false]);
  });

  test("two leaders of one term are a broken invariant, on a follower and on a leader", () => {
    const follower = raftOf({});
    follower.step(heartbeat(2, 3));
    expect(() => follower.step(heartbeat(3, 3))).toThrow("one term has two leaders");
    expect(() => leaderOf().step(heartbeat(2, 1))).toThrow("one term has two leaders");
  });
});

describe("election timeouts", () => {
  test("are in [E, 2E), differ between members, and are drawn anew after every reset", () => {
    const waits: number[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      const raft = raftOf({ seed });
      for (let reset = 0; reset < 3; reset++) {
        raft.step(heartbeat(2, 1));
        let ticks = 0;
        while (raft.role === "follower") {
          raft.tick();
          ticks++;
        }
        waits.push(ticks);
        raft.step(heartbeat(2, 1));
      }
    }
    const least = defaultMemberConfig.electionTicks;
    expect(Math.min(...waits)).toBe(least);
    expect(Math.max(...waits)).toBe(2 * least - 1);
    const first = waits.filter((_, position) => position % 3 === 0);
    const second = waits.filter((_, position) => position % 3 === 1);
    expect(first).not.toEqual(second);
    expect(new Set(first).size).toBeGreaterThan(least / 2);
  });

  test("learning of a higher term from a candidate that cannot win does not reset them", () => {
    const raft = raftOf({ entries: [command(1, 1)], hardState: { term: termOf(1) } });
    const wait = (disturb: boolean): number => {
      const waiting = raftOf({ entries: [command(1, 1)], hardState: { term: termOf(1) } });
      let ticks = 0;
      for (; waiting.role === "follower"; ticks++) {
        if (disturb) {
          const term = termOf(waiting.term + 1);
          waiting.step({
            type: "vote",
            from: id(3),
            to: id(1),
            term,
            lastIndex: noIndex,
            lastTerm: noTerm,
            transfer: false,
          });
        }
        waiting.tick();
      }
      return ticks;
    };
    expect(raft.role).toBe("follower");
    expect(wait(true)).toBe(wait(false));
  });
});

describe("campaigns", () => {
  test("wait until every committed configuration is applied", () => {
    const configured: Entry = { ...command(1, 1), kind: "configuration" };
    const raft = raftOf({ entries: [configured], hardState: { term: termOf(1), commitIndex: indexOf(1) } });
    raft.campaign();
    expect(raft.role).toBe("follower");
    expect(raft.takeReady().committed).toEqual([configured]);
    raft.applyConfiguration({ voters: [id(1), id(2), id(3), id(4), id(5)], outgoing: [], learners: [] });
    raft.appliedTo(indexOf(1));
    raft.campaign();
    expect(sent(raft.takeReady())).toHaveLength(4);
  });

  test("a vote request stands on the own vote, and says so by waiting for the disk", () => {
    const raft = raftOf({});
    raft.step({ type: "timeoutNow", from: id(2), to: id(1), term: noTerm, committed: nothing });
    const ready = raft.takeReady();
    expect(ready.hardState).toEqual({ ...blankHardState, term: 1, votedFor: id(1) });
    expect(ready.mustSync).toBe(true);
    expect(ready.messages).toEqual([]);
    expect(ready.messagesAfterPersist.map(describeMessage)).toEqual([
      "1→2 vote term=1 last=0/0 transfer",
      "1→3 vote term=1 last=0/0 transfer",
    ]);
  });

  test("whoever grants a vote stops asking for votes itself", () => {
    const raft = raftOf({ hardState: { term: termOf(4) } });
    raft.campaign();
    const vote = {
      type: "vote",
      from: id(3),
      to: id(1),
      lastIndex: noIndex,
      lastTerm: noTerm,
      transfer: false,
    } as const;
    raft.step({ ...vote, term: termOf(4) });
    expect([raft.role, raft.votedFor]).toEqual(["follower", id(3)]);
    raft.step({ type: "preVoteReply", from: id(2), to: id(1), term: termOf(5), granted: true, committed: nothing });
    expect([raft.role, raft.term]).toEqual(["follower", 4]);
  });

  test("a leader that is no longer a voter steps down when it applies that", () => {
    const raft = leaderOf();
    raft.applyConfiguration({ voters: [id(2), id(3)], outgoing: [], learners: [] });
    expect(raft.role).toBe("follower");
  });

  test("members that join later are sent entries, and count as soon as they vote", () => {
    const raft = leaderOf();
    raft.applyConfiguration({ ...three, learners: [id(4)] });
    raft.propose([Uint8Array.of(1)]);
    expect(sent(raft.takeReady()).filter((text) => text.startsWith("1→4"))).toEqual([
      "1→4 append term=1 prev=1/1 entries=[1/2 0x01] commit=0 to-life=0",
    ]);
    expect(raft.progressOf(id(4))).toMatchObject({ state: "probe", matchIndex: 0, nextIndex: 2 });
  });
});

describe("a follower with a tail the leader did not send", () => {
  const entries = [command(1, 1), command(2, 1), command(3, 1)];
  const append = (over: { readonly commitIndex: number; readonly entries: readonly Entry[] }): RaftMessage => ({
    type: "append",
    from: id(2),
    to: id(1),
    term: termOf(3),
    prevIndex: indexOf(1),
    prevTerm: termOf(1),
    entries: over.entries,
    commitIndex: indexOf(over.commitIndex),
    toIncarnation: 1,
  });

  test("acknowledges and commits only what the append covers", () => {
    const raft = raftOf({ entries, hardState: { term: termOf(3) } });
    raft.step(append({ commitIndex: 3, entries: [] }));
    expect(raft.commitIndex).toBe(1);
    expect(sent(raft.takeReady())).toEqual(["1→2 appendAccepted term=3 match=1 life=1"]);
    raft.step(append({ commitIndex: 3, entries: [command(2, 1)] }));
    expect([raft.commitIndex, raft.lastIndex]).toEqual([2, 3]);
    expect(sent(raft.takeReady())).toEqual(["1→2 appendAccepted term=3 match=2 life=1"]);
  });

  test("loses it from the first entry on that has another term", () => {
    const raft = raftOf({ entries, hardState: { term: termOf(3) } });
    raft.step(append({ commitIndex: 1, entries: [command(2, 2)] }));
    expect([raft.lastIndex, raft.termAt(indexOf(2)), raft.stableIndex]).toEqual([2, 2, 1]);
    expect(raft.takeReady().messagesAfterPersist.map(describeMessage)).toEqual([
      "1→2 appendAccepted term=3 match=2 life=1",
    ]);
  });

  test("takes what lies beyond its commit index from an append that begins before it", () => {
    const raft = raftOf({ entries, hardState: { term: termOf(3), commitIndex: indexOf(2) } });
    raft.step(append({ commitIndex: 2, entries: [command(2, 1), command(3, 3), command(4, 3)] }));
    expect([raft.lastIndex, raft.termAt(indexOf(3)), raft.commitIndex]).toEqual([4, 3, 2]);
  });
});

describe("ready", () => {
  test("an idle machine has none, and what it hands out it hands out once", () => {
    const raft = leaderOf();
    expect(raft.hasReady()).toBe(false);
    raft.step({
      type: "appendAccepted",
      from: id(2),
      to: id(1),
      term: termOf(1),
      matchIndex: indexOf(1),
      ...life,
    });
    persistAll(raft);
    raft.propose([Uint8Array.of(7)]);
    expect(raft.hasReady()).toBe(true);
    const ready = raft.takeReady();
    expect([ready.entries.length, ready.messages.length, ready.hardState]).toEqual([1, 1, undefined]);
    expect(raft.hasReady()).toBe(false);
    expect(raft.takeReady()).toMatchObject({ entries: [], messages: [], committed: [], mustSync: false });
  });

  test("a commit alone needs no sync", () => {
    const raft = leaderOf();
    raft.step({
      type: "appendAccepted",
      from: id(2),
      to: id(1),
      term: termOf(1),
      matchIndex: indexOf(1),
      ...life,
    });
    const ready = raft.takeReady();
    expect(ready.hardState?.commitIndex).toBe(1);
    expect(ready.mustSync).toBe(false);
  });

  test("an answer leaves at once only if the term it stands on is durable", () => {
    const raft = raftOf({});
    raft.step(heartbeat(2, 3));
    const first = raft.takeReady();
    expect([first.messages.length, first.messagesAfterPersist.length]).toEqual([0, 1]);
    raft.step({
      type: "append",
      from: id(2),
      to: id(1),
      term: termOf(3),
      prevIndex: noIndex,
      prevTerm: noTerm,
      entries: [command(1, 3)],
      commitIndex: noIndex,
      toIncarnation: 1,
    });
    raft.takeReady();
    raft.persisted(indexOf(1), termOf(3));
    raft.step(heartbeat(2, 3));
    const second = raft.takeReady();
    expect([second.messages.length, second.messagesAfterPersist.length]).toEqual([1, 0]);
  });

  test("an append that repeats an entry still under way to the disk is acknowledged after the disk, too", () => {
    const raft = raftOf({ hardState: { term: termOf(1) } });
    const append = (): RaftMessage => ({
      type: "append",
      from: id(2),
      to: id(1),
      term: termOf(1),
      prevIndex: noIndex,
      prevTerm: noTerm,
      entries: [command(1, 1)],
      commitIndex: noIndex,
      toIncarnation: 1,
    });
    raft.step(append());
    raft.takeReady();
    raft.step(append());
    const again = raft.takeReady();
    expect([again.messages.length, again.messagesAfterPersist.length]).toEqual([0, 1]);
    raft.persisted(indexOf(1), termOf(1));
    raft.step(append());
    expect(raft.takeReady().messages.map(describeMessage)).toEqual(["1→2 appendAccepted term=1 match=1 life=1"]);
  });

  test("reads beyond the bound are refused, not kept", () => {
    const raft = leaderOf({ proposalsMax: 2 });
    expect([raft.requestRead(1), raft.requestRead(2), raft.requestRead(3)]).toEqual(["waiting", "waiting", "noLeader"]);
  });
});

describe("snapshots", () => {
  const chunk = (index: number, term: number): RaftMessage & { type: "snapshotChunk" } => ({
    type: "snapshotChunk",
    from: id(2),
    to: id(1),
    term: termOf(term),
    transferId: 1,
    snapshotIndex: indexOf(index),
    snapshotTerm: termOf(1),
    configuration: three,
    chunk: 0,
    last: true,
    bytes: new Uint8Array(0),
  });

  test("one that holds nothing new is answered with what this member has, and dropped", () => {
    const entries = [command(1, 1), command(2, 1)];
    const raft = raftOf({ entries, hardState: { term: termOf(2), commitIndex: indexOf(2) } });
    expect(raft.acceptSnapshotMessage(chunk(2, 2))).toBe(false);
    expect(raft.takeReady().messages.map(describeMessage)).toEqual(["1→2 appendAccepted term=2 match=2 life=1"]);
    expect(raft.acceptSnapshotMessage(chunk(3, 2))).toBe(true);
  });

  test("one of an earlier term is refused with the present term", () => {
    const raft = raftOf({ hardState: { term: termOf(5) } });
    expect(raft.acceptSnapshotMessage(chunk(9, 4))).toBe(false);
    expect(sent(raft.takeReady())).toEqual(["1→2 appendRejected term=5 rejected=0 hint=0/0 life=1"]);
  });

  test("one that was let in is installed although its last entry became known as committed meanwhile", () => {
    const entries = [command(1, 1), command(2, 1), command(3, 1)];
    const raft = raftOf({ entries, hardState: { term: termOf(2) } });
    expect(raft.acceptSnapshotMessage(chunk(2, 2))).toBe(true);
    raft.step({ ...heartbeat(2, 2), type: "heartbeat", commitIndex: indexOf(3), readRound: 0 } as RaftMessage);
    expect(raft.installSnapshot({ index: indexOf(2), term: termOf(1), configuration: three })).toBe(true);
    expect([raft.commitIndex, raft.appliedIndex, raft.lastIndex]).toEqual([3, 2, 3]);
    expect(raft.takeReady().committed).toEqual([entries[2]]);
    expect(raft.installSnapshot({ index: indexOf(2), term: termOf(1), configuration: three })).toBe(false);
  });

  test("an acknowledgement older than the transfer changes nothing, one that falls short of the log asks again", () => {
    const raft = leaderWithFollowerBehind();
    accept(raft, 0);
    expect([raft.progressOf(id(2))?.state, raft.hasReady()]).toEqual(["snapshot", false]);
    accept(raft, 3);
    expect(raft.takeReady().snapshotsWanted).toEqual([id(2)]);
    accept(raft, 6);
    expect(raft.progressOf(id(2))).toMatchObject({ state: "replicate", matchIndex: 6, nextIndex: 7 });
  });

  test("a snapshot that was wanted is not sent by a leader that was deposed in the same step", () => {
    const raft = leaderWithFollowerBehind();
    accept(raft, 3);
    raft.step(heartbeat(3, 2));
    const ready = raft.takeReady();
    expect([raft.role, ready.snapshotsWanted]).toEqual(["follower", []]);
  });
});

/** A leader of term 1 that sends follower 2 a snapshot of its entries 1 to 5; it holds 6. */
function leaderWithFollowerBehind(): Raft {
  const raft = leaderOf();
  for (let index = 2; index <= 6; index++) {
    raft.propose([Uint8Array.of(index)]);
    persistAll(raft);
    accept(raft, index, 3);
    persistAll(raft);
  }
  raft.appliedTo(indexOf(6));
  raft.compactTo(indexOf(5));
  const addresses = { from: id(2), to: id(1), term: termOf(1) };
  raft.step({ ...addresses, ...life, type: "heartbeatReply", readRound: 0, promisedMs: 0 });
  expect(raft.takeReady().snapshotsWanted).toEqual([id(2)]);
  return raft;
}

function accept(raft: Raft, matchIndex: number, from = 2): void {
  const addresses = { from: id(from), to: id(1), term: termOf(1) };
  raft.step({ ...addresses, ...life, type: "appendAccepted", matchIndex: indexOf(matchIndex) });
}

describe("the parts", () => {
  test("the window of unanswered appends is full at its bound and freed from the front", () => {
    const inflight = new Inflight({ countMax: 5, bytesMax: 1_000 });
    for (let index = 1; index <= 5; index++) inflight.add(indexOf(index), 10);
    expect(inflight.isFull).toBe(true);
    expect(() => inflight.add(indexOf(6), 10)).toThrow("full window");
    inflight.freeTo(indexOf(3));
    for (let index = 6; index <= 8; index++) inflight.add(indexOf(index), 10);
    inflight.freeTo(indexOf(2));
    expect(inflight.count).toBe(5);
    inflight.freeTo(indexOf(7));
    expect(inflight.count).toBe(1);
    inflight.clear();
    expect(inflight.count).toBe(0);
  });

  test("the window is full in bytes too, takes one append of any size, and counts only what is unanswered", () => {
    const inflight = new Inflight({ countMax: 100, bytesMax: 50 });
    inflight.add(indexOf(1), 1_000);
    expect(inflight.isFull).toBe(true);
    inflight.freeTo(indexOf(1));
    for (let index = 2; index <= 6; index++) {
      expect(inflight.isFull).toBe(false);
      inflight.add(indexOf(index), 10);
    }
    expect(inflight.isFull).toBe(true);
    inflight.freeTo(indexOf(2));
    expect(inflight.isFull).toBe(false);
    inflight.clear();
    inflight.add(indexOf(7), 49);
    expect(inflight.isFull).toBe(false);
  });

  test("a forwarded message is taken once in any order, in each life of its sender, unless it is far too late", () => {
    const once = new ForwardedOnce();
    const take = (sequence: number, incarnation = 1, from = 2): boolean =>
      once.take({ from: id(from), incarnation, sequence });
    expect([take(1), take(3), take(2), take(3), take(1), take(2)]).toEqual([true, true, true, false, false, false]);
    expect([take(1, 1, 3), take(1, 2), take(3, 1)]).toEqual([true, true, false]);
    expect([take(5_000, 2), take(2, 2), take(4_999, 2), take(905, 2), take(904, 2)]).toEqual([
      true,
      false,
      true,
      true,
      false,
    ]);
    expect([take(9_001, 2), take(5_001, 2), take(4_999, 2)]).toEqual([true, true, false]);
  });
});

describe("a member that forgot", () => {
  const registerReply = (from: number, round: number): RaftMessage => ({
    type: "registerReply",
    from: id(from),
    to: id(1),
    term: termOf(1),
    incarnation: 1,
    round,
    lastIndex: noIndex,
    lastTerm: noTerm,
    roll: { index: noIndex, configuration: three },
    registrations: noRegistrations,
  });
  const asked = (raft: Raft): readonly string[] => sent(raft.takeReady()).filter((text) => text.includes("register "));

  test("asks anew when there are more voters than it asked before, also if none of them has more to say", () => {
    const voters = [1, 2, 3, 4].map(id);
    const four: Configuration = { voters, outgoing: [], learners: [] };
    const raft = raftOf({ configuration: four, hardState: { term: termOf(1), isRecovering: true } });
    raft.takeReady();
    for (const from of [2, 3]) raft.step(registerReply(from, 0));
    for (const from of [2, 3, 4]) raft.step(registerReply(from, 1));
    expect(raft.recall?.missing).toBe(0);
    raft.takeReady();
    raft.applyConfiguration({ ...four, voters: [...voters, id(5)] });
    expect(raft.recall?.missing).toBe(1);
    raft.tick();
    expect(asked(raft)).toEqual([2, 3, 4, 5].map((to) => `1→${to} register term=1 life=1 round=2`));
    for (const from of [2, 3, 4]) raft.step(registerReply(from, 2));
    expect(raft.recall?.missing).toBe(0);
  });

  test("votes for nobody who lacks what it knows to be committed, whatever those hold that registered it", () => {
    const two: Configuration = { voters: [id(1), id(2)], outgoing: [], learners: [] };
    const raft = raftOf({
      configuration: two,
      hardState: { term: termOf(4), isRecovering: true },
      base: { index: 161, term: 4 },
    });
    raft.takeReady();
    for (const round of [0, 1])
      raft.step({ ...registerReply(2, round), roll: { index: noIndex, configuration: two } } as RaftMessage);
    expect(raft.recall?.missing).toBe(0);
    raft.takeReady();
    const votes = (term: number, lastIndex: number, lastTerm: number): boolean => {
      const end = { lastIndex: indexOf(lastIndex), lastTerm: termOf(lastTerm) };
      raft.step({ type: "vote", from: id(2), to: id(1), term: termOf(term), ...end, transfer: true });
      const { messagesAfterPersist, messages } = raft.takeReady();
      return [...messages, ...messagesAfterPersist].some((message) => message.type === "voteReply" && message.granted);
    };
    expect(votes(5, 127, 2)).toBe(false);
    expect(votes(6, 160, 4)).toBe(false);
    expect(votes(7, 161, 4)).toBe(true);
  });
});
