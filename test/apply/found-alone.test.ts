import { expect, test } from "vitest";
import { encodeCommand } from "../../core/apply/command.ts";
import { foundAlone } from "../../core/apply/found-alone.ts";
import { Machine } from "../../core/apply/machine.ts";
import { defaultMemberConfig } from "../../core/config.ts";
import { clusterIdOf, indexOf, memberIdOf, termOf } from "../../core/ids.ts";
import { noRegistrations } from "../../core/raft/hard-state.ts";
import type { Entry } from "../../core/raft/message.ts";
import type { MemberRecord } from "../../core/request.ts";
import { createLog } from "../../core/storage/log-store.ts";
import { noPlace, type OpenedLog } from "../../core/storage/open-log.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";

const one = memberIdOf(1n);
const record = (id: bigint, isLearner = false): MemberRecord => ({
  memberId: memberIdOf(id),
  name: `m${id}`,
  peerUrls: [`http://m${id}:2380`],
  clientUrls: [],
  isLearner,
});

/** An entry that adds a member, as somebody else's leader appended it. */
const adding = (index: number, id: bigint): Entry => ({
  index: indexOf(index),
  term: termOf(2),
  kind: "configuration",
  data: encodeCommand({
    id: { origin: memberIdOf(2n), incarnation: 5, sequence: 1 },
    request: {
      type: "memberAdd",
      memberId: memberIdOf(id),
      peerUrls: [`http://m${id}:2380`],
      isLearner: false,
      learnersMax: 1,
    },
  }),
});

function survivor(members: readonly MemberRecord[], entries: readonly Entry[], commitIndex: number) {
  const machine = new Machine({
    backend: new MemoryBackend(),
    config: defaultMemberConfig,
    bootstrapMembers: members,
  });
  const { store, operations } = createLog({ clusterId: clusterIdOf(9n), memberId: one }, defaultMemberConfig);
  const hardState = {
    term: termOf(3),
    votedFor: memberIdOf(2n),
    commitIndex: indexOf(commitIndex),
    registrations: noRegistrations,
    isRecovering: true,
  };
  operations.push(...store.append({ hardState, entries }));
  const log: OpenedLog = {
    ok: true,
    store,
    operations,
    base: noPlace,
    entries,
    hardState,
    notes: [],
    isDamaged: false,
    doubtful: [],
  };
  return { machine, alone: () => foundAlone({ memberId: one, membership: machine.membership, log }) };
}

const empty = (index: number, term: number): Entry => ({
  index: indexOf(index),
  term: termOf(term),
  kind: "empty",
  data: new Uint8Array(),
});

test("whoever belongs, and whoever a last entry would have added, is removed; everything in the log is kept and counts", () => {
  const { machine, alone } = survivor([record(1n), record(2n)], [empty(1, 2), adding(2, 3n), empty(3, 3)], 1);
  const log = alone();
  if (!log.ok) throw new Error(log.reason);
  expect([...log.entries].slice(0, 3).map(({ index, term }) => `${index}@${term}`)).toEqual(["1@2", "2@2", "3@3"]);
  expect(log.hardState).toMatchObject({ term: 4, votedFor: one, commitIndex: log.entries.length, isRecovering: false });
  expect(log.notes.at(-1)).toMatch(/members 2, 3 are removed .* up to entry 3, 2 of them not known to be committed/);
  for (const entry of log.entries) machine.apply(entry, 0);
  expect(machine.membership.configuration).toEqual({ voters: [one], outgoing: [], learners: [] });
  expect(machine.membership.isRemoved(memberIdOf(3n))).toBe(true);
});

test("a learner that is left becomes the one voter", () => {
  const { machine, alone } = survivor([record(1n, true), record(2n)], [empty(1, 2)], 1);
  const log = alone();
  if (!log.ok) throw new Error(log.reason);
  for (const entry of log.entries) machine.apply(entry, 0);
  expect(machine.membership.configuration).toEqual({ voters: [one], outgoing: [], learners: [] });
});

test("who is alone already is left as it is; who has no data, or belongs to nobody, is refused", () => {
  const already = survivor([record(1n)], [empty(1, 2)], 1).alone();
  expect(already).toMatchObject({
    ok: true,
    entries: [empty(1, 2)],
    notes: [expect.stringContaining("alone already")],
  });
  expect(survivor([record(1n), record(2n)], [], 0).alone()).toMatchObject({
    ok: false,
    reason: expect.stringContaining("no data to go on with"),
  });
  expect(survivor([record(2n)], [empty(1, 2)], 1).alone()).toMatchObject({
    ok: false,
    reason: expect.stringContaining("does not belong to its cluster yet"),
  });
});
