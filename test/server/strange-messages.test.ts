/*
 * Messages that a healthy member was never meant to get: from members it does not know, for others, of terms long over.
 * It must neither stop nor change its mind; whoever speaks as a leader or a candidate of a cluster it has not heard of
 * yet is the one exception (raft.ts, isForMe), and not here.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { indexOf, memberIdOf, type Term, termOf } from "../../core/ids.ts";
import type { PeerMessage } from "../../core/input.ts";
import { TestCluster, type TestMember } from "../kit/cluster.ts";
import { NarrowLinks } from "../kit/narrow-links.ts";
import { arbitraries } from "../kit/peer-arbitraries.ts";
import { accepted, pairs, putOf, rangeOf } from "../kit/requests.ts";

type Kind = PeerMessage["type"];

/** What a stranger may say without being heard. */
const unheard: readonly Kind[] = [
  "preVoteReply",
  "voteReply",
  "appendAccepted",
  "appendRejected",
  "heartbeatReply",
  "readIndex",
  "readIndexReply",
  "propose",
  "timeoutNow",
  "snapshotChunkReply",
  "leaseRenew",
  "leaseRenewReply",
  "leaseQueryReply",
  "hello",
  "helloReply",
  "register",
  "registerReply",
];
/** What speaks for a term: of one that is over it must be dropped, whoever says it. */
const ofTerms: readonly Kind[] = [...unheard, "append", "heartbeat", "preVote", "vote"].filter(
  (type): type is Kind => !["hello", "helloReply", "register", "registerReply"].includes(type) && !/^lease/.test(type),
) as readonly Kind[];

function cluster(): TestCluster {
  const made = new TestCluster({ size: 3 });
  made.elect();
  accepted(made.call(made.leader, putOf("k", "before")));
  return made;
}

const stateOf = (made: TestCluster): readonly unknown[] =>
  made.members.map(({ running: { raft } }) => [raft.role, raft.term, raft.votedFor, raft.leaderId, raft.lastIndex]);

function expectUnmoved(made: TestCluster, before: readonly unknown[]): void {
  expect(stateOf(made)).toEqual(before);
  accepted(made.call(made.leader, putOf("k", "after")));
  for (const each of made.members) expect(pairs(made.call(each, rangeOf("k")))).toEqual(["k=after"]);
}

const oneOf = (kinds: readonly Kind[]): fc.Arbitrary<PeerMessage> =>
  fc.oneof(...kinds.map((type) => arbitraries[type] as fc.Arbitrary<PeerMessage>));

test("members nobody knows are not heard, whatever they say, in whatever term", () => {
  fc.assert(
    fc.property(fc.array(oneOf(unheard), { minLength: 1, maxLength: 30 }), fc.nat(2), (messages, to) => {
      const made = cluster();
      const before = stateOf(made);
      const each = made.member(to + 1);
      for (const message of messages) {
        made.receive(each, { ...message, from: memberIdOf(99n), to: each.running.raft.id });
      }
      expectUnmoved(made, before);
    }),
    { numRuns: 60 },
  );
});

test("messages that are for another member are dropped, also those of a known one", () => {
  fc.assert(
    fc.property(
      fc.array(oneOf(unheard.filter((type) => !/^lease/.test(type))), { minLength: 1, maxLength: 30 }),
      (messages) => {
        const made = cluster();
        const before = stateOf(made);
        for (const message of messages)
          made.receive(made.member(1), { ...message, from: memberIdOf(2n), to: memberIdOf(3n) });
        expectUnmoved(made, before);
      },
    ),
    { numRuns: 60 },
  );
});

test("words of a term that is over change nothing, whoever they come from", () => {
  fc.assert(
    fc.property(fc.array(oneOf(ofTerms), { minLength: 1, maxLength: 30 }), fc.nat(2), (messages, to) => {
      const made = cluster();
      // A second election, so that there is a term that is over.
      const old = made.leader;
      old.isCutOff = true;
      made.pass(4_000);
      old.isCutOff = false;
      made.pass(4_000);
      const before = stateOf(made);
      const each = made.member(to + 1);
      const over: Term = termOf(1);
      expect(each.running.raft.term).toBeGreaterThan(1);
      for (const message of messages) {
        // For whoever led in it a proposal may be late, and go on; raft/testdata/forwarding.txt is about that.
        if (each === old && message.type === "propose") continue;
        const from = memberIdOf(BigInt(((to + 1) % 3) + 1));
        made.receive(each, { ...message, term: over, from, to: each.running.raft.id } as PeerMessage);
      }
      expectUnmoved(made, before);
    }),
    { numRuns: 60 },
  );
});

test("a leader does not hear an acknowledgement of what it never sent, nor of a read round that never was", () => {
  const made = cluster();
  const [follower] = made.members.filter((each) => each !== made.leader);
  if (follower === undefined) throw new Error("there are three members");
  const before = stateOf(made);
  const { raft } = made.leader.running;
  const common = {
    from: follower.running.identity.memberId,
    to: made.leader.running.identity.memberId,
    term: raft.term,
    incarnation: 1,
    isRecovering: false,
    registrations: [],
  };
  const said: readonly PeerMessage[] = [
    { ...common, type: "appendAccepted", matchIndex: indexOf(raft.lastIndex + 1000) },
    { ...common, type: "heartbeatReply", readRound: 1_000_000, promisedMs: 0 },
  ];
  for (const message of said) {
    const outputs = made.leader.running.step({ type: "peerMessage", message, nowMs: made.nowMs });
    expect(outputs).toEqual([
      { type: "event", event: { type: "impossibleWord", from: common.from, what: expect.stringMatching(/never/) } },
    ]);
  }
  expectUnmoved(made, before);
});

/** A follower is being sent a snapshot, over links so narrow that it takes a while. */
function clusterAmidSnapshot(): { readonly made: TestCluster; readonly behind: TestMember } {
  const config = { snapshotEntries: 20, snapshotCatchUpEntries: 5, snapshotChunkBytes: 200 };
  const made = new TestCluster({ size: 3, config });
  made.elect();
  const [behind] = made.followers;
  if (behind === undefined) throw new Error("there are three members");
  behind.isCutOff = true;
  for (let key = 0; key < 40; key++) accepted(made.call(made.leader, putOf(`k${key}`, "v".repeat(100))));
  behind.isCutOff = false;
  made.links = new NarrowLinks({ bytesPerTick: 400 });
  for (let waited = 0; behind.running.counts.snapshotFrom === undefined; waited++) {
    if (waited > 100) throw new Error("no snapshot is sent");
    made.pass(made.config.tickMs);
  }
  return { made, behind };
}

test("what a peer forwards and is no command is dropped and named, and gets into no log", () => {
  const made = cluster();
  const [follower] = made.members.filter((each) => each !== made.leader);
  if (follower === undefined) throw new Error("there are three members");
  const before = stateOf(made);
  const { raft, identity } = made.leader.running;
  const from = follower.running.identity.memberId;
  const common = { from, to: identity.memberId, term: raft.term, incarnation: 2 ** 52 };
  for (const [sequence, command] of [Uint8Array.of(), Uint8Array.of(7, 7), Uint8Array.of(1, 2, 3)].entries()) {
    const said: readonly PeerMessage[] = [
      { ...common, type: "propose", sequence: 2 * sequence + 1, commands: [command] },
      { ...common, type: "proposeConfiguration", sequence: 2 * sequence + 2, command },
    ];
    for (const message of said) {
      const outputs = made.leader.running.step({ type: "peerMessage", message, nowMs: made.nowMs });
      const event = { type: "impossibleWord", from, what: "forwards what is no command" };
      expect(outputs).toEqual([{ type: "event", event }]);
    }
  }
  expectUnmoved(made, before);
});

test("an acknowledgement of a term that is over, or of an earlier life, does not end the transfer of a snapshot", () => {
  for (const ofEarlierLife of [false, true]) {
    const { made, behind } = clusterAmidSnapshot();
    const { leader } = made;
    const { raft } = leader.running;
    made.receive(leader, {
      type: "appendAccepted",
      from: behind.running.raft.id,
      to: raft.id,
      term: ofEarlierLife ? raft.term : termOf(raft.term - 1),
      matchIndex: raft.lastIndex,
      incarnation: ofEarlierLife ? behind.life - 1 : behind.life,
      isRecovering: false,
      registrations: [],
    });
    made.pass(20_000);
    expect(made.leader).toBe(leader);
    expect(behind.running.appliedIndex).toBe(leader.running.appliedIndex);
  }
});
