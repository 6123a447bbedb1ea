/*
 * The machine against the slow one: the same commands, with restarts, crashes and bits of compaction in between, must
 * give the same answers, the same changes and, at any moment, the same history.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCommand, encodeCommand } from "../../core/apply/command.ts";
import { Machine } from "../../core/apply/machine.ts";
import { isReadOnly } from "../../core/apply/quota.ts";
import { equalBytes, textOfBytes } from "../../core/bytes.ts";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import { indexOf, memberIdOf, revisionOf, termOf } from "../../core/ids.ts";
import { isTombstone, mainRevisionOf, subRevisionOf } from "../../core/mvcc/revision.ts";
import type { Entry } from "../../core/raft/message.ts";
import type { RangeRequest } from "../../core/request.ts";
import { refusalOfRequest } from "../../core/server/validate.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";
import { plain } from "../kit/plain.ts";
import { commandRequests, keys, ranges, txns } from "../kit/request-arbitraries.ts";
import { Refused, SlowMachine } from "./slow-machine.ts";

const config: MemberConfig = { ...defaultMemberConfig, compactionEntriesPerTickMax: 3 };
const members = [
  { memberId: memberIdOf(1n), name: "", peerUrls: ["http://a:1"], clientUrls: [], isLearner: false },
  { memberId: memberIdOf(0xffff_ffff_ffff_fff0n), name: "", peerUrls: ["http://b:1"], clientUrls: [], isLearner: true },
];

const openMachine = (backend: MemoryBackend): Machine => new Machine({ backend, config, bootstrapMembers: members });

type Step =
  | { readonly do: "command"; readonly request: Parameters<typeof encodeCommand>[0]["request"] }
  | { readonly do: "read"; readonly request: RangeRequest }
  | { readonly do: "readTxn"; readonly request: Parameters<Machine["readTxn"]>[0] }
  | { readonly do: "history"; readonly from: number; readonly revisionsMax: number; readonly key: Uint8Array }
  | { readonly do: "compactBack"; readonly revisions: number }
  | { readonly do: "readBack"; readonly revisions: number; readonly request: RangeRequest }
  | { readonly do: "hash" | "tick" | "commit" | "sync" | "reload" }
  | { readonly do: "crash"; readonly kept: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: commandRequests.map((request) => ({ do: "command" as const, request })) },
  { weight: 4, arbitrary: ranges.map((request) => ({ do: "read" as const, request })) },
  // So many revisions back from the current one: hits more often than a revision drawn at random.
  { weight: 1, arbitrary: fc.nat(6).map((revisions) => ({ do: "compactBack" as const, revisions })) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("readBack" as const), revisions: fc.nat(8), request: ranges }),
  },
  { weight: 1, arbitrary: txns(0).map((request) => ({ do: "readTxn" as const, request })) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("history" as const),
      // From the compact revision on, where the odd cases are.
      from: fc.oneof(fc.nat(3), fc.nat(20)),
      revisionsMax: fc.integer({ min: 1, max: 6 }),
      key: keys,
    }),
  },
  {
    weight: 5,
    arbitrary: fc
      .constantFrom("hash", "hash", "tick", "commit", "sync", "reload")
      .map((word) => ({ do: word as "tick" })),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const), kept: fc.nat(5) }) },
);

/** One machine that restarts and crashes, its slow twin, and a second machine that only ever runs through. */
class Trio {
  readonly backend = new MemoryBackend();
  readonly through = openMachine(new MemoryBackend({ crashes: false }));
  readonly slow = new SlowMachine(1);
  readonly log: Entry[] = [];
  machine = openMachine(this.backend);

  step(step: Step): void {
    switch (step.do) {
      case "command":
        this.command(step.request);
        return;
      case "read":
        expectSame(
          () => this.machine.range(step.request),
          () => this.slow.range(step.request),
        );
        return;
      case "compactBack":
        this.command({ type: "compact", revision: this.slow.current - step.revisions, physical: false });
        return;
      case "readBack":
        this.step({ do: "read", request: { ...step.request, revision: this.slow.current - step.revisions } });
        return;
      case "readTxn":
        if (!isReadOnly(step.request) || refusalOfRequest(step.request, config) !== undefined) return;
        expectSame(
          () => this.machine.readTxn(step.request),
          () => this.slow.txn(step.request),
        );
        return;
      case "history":
        this.history(step);
        return;
      case "hash":
        expect({ ok: true, ...this.machine.runningHash() }).toEqual(this.machine.hashKv(0));
        return;
      case "tick":
        this.machine.tick();
        return;
      case "commit":
        this.backend.commit();
        return;
      case "sync":
        this.backend.sync();
        return;
      case "reload":
        this.machine.reload();
        return;
      case "crash":
        this.backend.crash(step.kept);
        this.machine = openMachine(this.backend);
        for (const entry of this.log.slice(this.machine.appliedIndex)) this.machine.apply(entry, 0);
    }
  }

  private command(request: Parameters<typeof encodeCommand>[0]["request"]): void {
    switch (request.type) {
      case "publishMember":
      case "leaseCheckpoint":
      case "memberVersion":
      case "clusterVersion":
      case "downgradeInfo":
      case "auth":
      case "leaveJoint":
        break;
      default:
        if (refusalOfRequest(request, config) !== undefined) return;
    }
    const id = { origin: memberIdOf(7n), incarnation: 3, sequence: this.log.length };
    const data = encodeCommand({ id, request });
    expect(plain(decodeCommand(data))).toBe(plain({ id, request }));
    const entry: Entry = { index: indexOf(this.log.length + 1), term: termOf(1), kind: "command", data };
    this.log.push(entry);
    const applied = this.machine.apply(entry, 0);
    this.through.apply(entry, 0);
    expect(applied.id).toEqual(id);
    let changes: readonly unknown[] = [];
    expectSame(
      () => applied.result,
      () => {
        const done = this.slow.apply(request);
        changes = done.changes;
        return done.answer;
      },
    );
    expect(plain(applied.changes)).toBe(plain(changes));
    if (applied.result?.ok) expect(applied.result.revision).toBe(this.slow.current);
    expect(this.machine.store.currentRevision).toBe(this.slow.current);
  }

  private history(step: Extract<Step, { do: "history" }>): void {
    const { store } = this.machine;
    const { revisionsMax, key } = step;
    const from = Math.max(0, this.slow.compacted - 1) + step.from;
    if (from >= Math.max(1, store.compactRevision) && from <= store.currentRevision + 1) {
      const found = store.changesFrom(revisionOf(from), revisionsMax);
      const mains = [...new Set(this.slow.history.map((change) => change.keyValue.modRevision as number))];
      const covered = mains.filter((main) => main >= from).slice(0, revisionsMax);
      // At the compact revision itself, only the last change of a key in that revision is left.
      const expected = this.slow.history.filter(
        (change, position) =>
          covered.includes(change.keyValue.modRevision) &&
          !(
            change.keyValue.modRevision === this.slow.compacted &&
            this.slow.history.some(
              (later, at) =>
                at > position &&
                later.keyValue.modRevision === change.keyValue.modRevision &&
                plain(later.keyValue.key) === plain(change.keyValue.key),
            )
          ),
      );
      expect(plain(found.changes)).toBe(plain(expected));
      const next = mains.find((main) => main > (covered.at(-1) ?? from - 1)) ?? this.slow.current + 1;
      if (covered.length > 0) expect(found.next).toBe(next);
    }
    if (from <= store.currentRevision) {
      const expected = from < this.slow.compacted ? undefined : this.slow.within({ key, rangeEnd: undefined }, from)[0];
      expect(plain(store.valueAt(key, revisionOf(from)) ?? null)).toBe(plain(expected ?? null));
    }
  }

  /** What must be equal whoever restarted and however far each compaction got. */
  compareMachines(): void {
    for (let revision = 0; revision <= this.slow.current + 1; revision++) {
      expect(this.machine.hashKv(revision)).toEqual(this.through.hashKv(revision));
    }
    expect(this.machine.runningHash()).toEqual(this.through.runningHash());
    expect(this.machine.lessor.leaseIds).toEqual(this.through.lessor.leaseIds);
    for (const leaseId of this.machine.lessor.leaseIds) {
      expect(this.machine.lessor.keysOf(leaseId)).toEqual(this.through.lessor.keysOf(leaseId));
    }
    expect(this.machine.membership.records).toEqual(this.through.membership.records);
    expect(this.machine.alarms.records).toEqual(this.through.alarms.records);
    expect(this.machine.appliedIndex).toBe(this.log.length);
  }
}

/** Stored revisions a finished compaction leaves: per key the last up to its revision, and all later ones. */
function survivorsOf(slow: SlowMachine): string[] {
  const { history, compacted } = slow;
  const survivors = history.filter((change, position) => {
    const { key, modRevision } = change.keyValue;
    if (modRevision > compacted) return true;
    const replaced = history.some(
      (later, at) => at > position && later.keyValue.modRevision <= compacted && equalBytes(later.keyValue.key, key),
    );
    return !replaced && (change.type === "put" || modRevision === compacted);
  });
  return survivors.map((change) => `${change.keyValue.modRevision}.${change.subRevision} ${change.type}`);
}

function storedRevisions(backend: MemoryBackend): string[] {
  const stored: string[] = [];
  backend.scan("key", { from: new Uint8Array(1), to: undefined }, (key) => {
    stored.push(`${mainRevisionOf(key)}.${subRevisionOf(key)} ${isTombstone(key) ? "delete" : "put"}`);
    return true;
  });
  return stored;
}

function expectSame(fast: () => unknown, slow: () => unknown): void {
  let expected: unknown;
  try {
    expected = slow();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    expect(fast()).toEqual({ ok: false, refusal: error.refusal });
    return;
  }
  const result = fast();
  if (expected === undefined) expect(result).toBeUndefined();
  else
    expect(plain(result && typeof result === "object" && "answer" in result ? result.answer : result)).toBe(
      plain(expected),
    );
}

describe("machine", () => {
  test("answers, changes and history equal those of a plain list of all changes, through restarts and compactions", () => {
    fc.assert(
      fc.property(fc.array(steps, { minLength: 1, maxLength: 60, size: "max" }), (script) => {
        const trio = new Trio();
        for (const step of script) trio.step(step);
        trio.compareMachines();
        for (let tick = 0; tick < 40; tick++) trio.machine.tick();
        trio.compareMachines();
        expect(trio.machine.store.compactedPhysically).toBe(trio.slow.compacted);
        expect(storedRevisions(trio.backend)).toEqual(survivorsOf(trio.slow));
        trio.machine.reload();
        trio.compareMachines();
        for (const leaseId of trio.machine.lessor.leaseIds) {
          const attached = trio.slow.stateAt(trio.slow.current).filter(({ lease }) => lease === leaseId);
          expect(trio.machine.lessor.keysOf(leaseId)).toEqual(attached.map(({ key }) => textOfBytes(key)));
        }
      }),
      { numRuns: 300 },
    );
  });
});
