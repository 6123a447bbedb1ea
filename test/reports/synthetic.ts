/*
 * A made-up run for tests of the reports: three members, a leader that dies, a paused one, clients and watches, one
 * violated check whose evidence points at operations. No world made it, so it may claim what no world would.
 */
import type { CheckResult } from "../../scenarios/check/verdict.ts";
import { worstVerdict } from "../../scenarios/check/verdict.ts";
import type { HistoryEvent } from "../../scenarios/history.ts";
import type { Plan } from "../../scenarios/plan.ts";
import type { RunResult } from "../../scenarios/run.ts";

export interface SyntheticShape {
  readonly operations: number;
  readonly clients: number;
  readonly durationMs: number;
  /** Written into keys and values, one character a byte. */
  readonly keyText: string;
}
const usual: SyntheticShape = { operations: 900, clients: 6, durationMs: 12_000, keyText: "key" };

export function syntheticRun(shape: Partial<SyntheticShape> = {}): RunResult {
  const { operations, clients, durationMs, keyText } = { ...usual, ...shape };
  const members = ["m1", "m2", "m3"];
  const timed: { readonly atMs: number; readonly event: HistoryEvent }[] = [];
  const add = (event: Exclude<HistoryEvent, { type: "meta" }>) => timed.push({ atMs: event.atMs, event });
  for (const [position, member] of members.entries()) {
    add({ type: "life", atMs: 5 + position, member, event: "started", detail: "first start" });
    add({ type: "role", atMs: 250, member, role: position === 0 ? "leader" : "follower", term: 2 });
  }
  const kill = { atMs: durationMs * 0.25, restartMs: durationMs * 0.4 };
  add({ type: "phase", atMs: 0, phase: "safety" });
  add({ type: "phase", atMs: durationMs * 0.7, phase: "liveness" });
  add({ type: "phase", atMs: durationMs * 0.9, phase: "final" });
  add({
    type: "fault",
    atMs: kill.atMs,
    fault: "kill",
    members: ["m1"],
    result: "done",
    detail: "SIGKILL to the leader",
  });
  add({ type: "life", atMs: kill.atMs, member: "m1", event: "ended", detail: "killed" });
  add({ type: "role", atMs: kill.atMs + 300, member: "m2", role: "preCandidate", term: 2 });
  add({ type: "role", atMs: kill.atMs + 380, member: "m2", role: "candidate", term: 3 });
  add({ type: "role", atMs: kill.atMs + 460, member: "m2", role: "leader", term: 3 });
  add({ type: "role", atMs: kill.atMs + 470, member: "m3", role: "follower", term: 3 });
  add({
    type: "fault",
    atMs: kill.restartMs,
    fault: "restart",
    members: ["m1"],
    result: "done",
    detail: "started again",
  });
  add({ type: "life", atMs: kill.restartMs, member: "m1", event: "started", detail: "second life" });
  add({ type: "role", atMs: kill.restartMs + 200, member: "m1", role: "follower", term: 3 });
  add({ type: "fault", atMs: durationMs * 0.5, fault: "pause", members: ["m3"], result: "done", detail: "SIGSTOP" });
  add({ type: "role", atMs: durationMs * 0.5, member: "m3", role: "paused", term: 3 });
  add({
    type: "fault",
    atMs: durationMs * 0.56,
    fault: "clockJump",
    members: ["m3"],
    result: "skipped",
    detail: "no clock of its own",
  });
  add({ type: "fault", atMs: durationMs * 0.6, fault: "resume", members: ["m3"], result: "done", detail: "SIGCONT" });
  add({ type: "role", atMs: durationMs * 0.6, member: "m3", role: "follower", term: 3 });

  const freeAtMs = Array.from({ length: clients }, () => 300);
  const numberOf = Array.from({ length: clients }, (_, position) => position + 1);
  let nextClient = clients + 1;
  let revision = 1;
  for (let id = 1; id <= operations; id++) {
    const lane = id % clients;
    const atMs = (freeAtMs[lane] ?? 0) + (((id * 37) % 11) * durationMs) / (operations * 3);
    if (atMs > durationMs * 0.98) continue;
    const client = numberOf[lane] ?? 1;
    const inOutage = atMs > kill.atMs - 10 && atMs < kill.atMs + 460;
    const tookMs = inOutage ? 500 : 2 + ((id * 13) % 17) + (id % 97 === 0 ? 60 : 0);
    freeAtMs[lane] = atMs + tookMs;
    const member = members[id % 3] ?? "m1";
    const key = `${keyText}${id % 5}`;
    const write = id % 2 === 0;
    const operation = write
      ? ({ op: "put", key, value: `v${id}` } as const)
      : ({ op: "range", key, serializable: id % 9 === 0 } as const);
    add({ type: "call", id, client, atMs, member, operation });
    const base = { type: "return", id, client, atMs: atMs + tookMs } as const;
    if (inOutage) {
      add({ ...base, outcome: "unknown", error: "context deadline exceeded" });
      numberOf[lane] = nextClient++;
    } else if (id % 61 === 0) {
      add({ ...base, outcome: "failed", error: "etcdserver: no leader" });
    } else if (write) {
      revision += 1;
      add({ ...base, outcome: "ok", revision, raftTerm: 3, answer: { op: "put" } });
    } else {
      const kv = { key, value: `v${id - 1}`, createRevision: 2, modRevision: revision, version: 3, lease: "0" };
      add({ ...base, outcome: "ok", revision, raftTerm: 3, answer: { op: "range", kvs: [kv], count: 1, more: false } });
    }
  }
  addWatches(add, { durationMs, keyText });
  timed.sort((a, b) => a.atMs - b.atMs);
  const checks = syntheticChecks(operations, keyText);
  return {
    scenario: "leader-killed-during-writes",
    seed: 42,
    world: "sim",
    target: "faultline",
    plan: syntheticPlan(members, durationMs),
    history: [
      {
        type: "meta",
        format: 1,
        scenario: "leader-killed-during-writes",
        seed: 42,
        world: "sim",
        target: "faultline",
        members,
        startRevision: 1,
      },
      ...timed.map(({ event }) => event),
    ],
    checks,
    verdict: worstVerdict(checks.map(({ verdict }) => verdict)),
    digest: "0123456789abcdef",
    events: 48_213,
    simulatedMs: durationMs,
    wallMs: 31,
    operations,
  };
}

function addWatches(
  add: (event: Exclude<HistoryEvent, { type: "meta" }>) => void,
  { durationMs, keyText }: { readonly durationMs: number; readonly keyText: string },
): void {
  const base = { prevKv: false, noPut: false, noDelete: false, progressNotify: true, rangeEnd: "\0", key: keyText };
  add({ type: "watchOpen", watch: 1, client: 100, atMs: 310, member: "m1", ...base });
  add({ type: "watchEnd", watch: 1, atMs: durationMs * 0.25, reason: "stream lost" });
  add({
    type: "watchOpen",
    watch: 2,
    client: 100,
    atMs: durationMs * 0.3,
    member: "m2",
    ...base,
    startRevision: 9,
    resumes: 1,
  });
  add({ type: "watchOpen", watch: 3, client: 101, atMs: 320, member: "m3", ...base });
  for (let position = 0; position < 60; position++) {
    const atMs = 400 + (position * (durationMs - 500)) / 60;
    const watch = position % 3 === 0 ? 3 : atMs < durationMs * 0.25 ? 1 : atMs > durationMs * 0.31 ? 2 : 3;
    const kv = { key: `${keyText}1`, value: "x", createRevision: 2, modRevision: position + 2, version: 1, lease: "0" };
    add({
      type: "watchReply",
      watch,
      atMs,
      revision: position + 2,
      created: false,
      canceled: false,
      compactRevision: 0,
      progress: position % 7 === 0,
      events: position % 7 === 0 ? [] : [{ type: "put", kv }],
    });
  }
}

function syntheticChecks(operations: number, keyText: string): CheckResult[] {
  return [
    {
      name: "linearizable",
      verdict: "violated",
      detail: `read of ${keyText}1 answered an older revision than a write that had returned`,
      judged: operations,
      method: "witness",
      violations: [
        {
          rule: "real-time",
          text: `call 321 read ${keyText}1 at revision 140 after call 314 had been acknowledged at revision 146`,
          calls: [314, 321],
          watches: [],
        },
      ],
    },
    {
      name: "watch-reliable",
      verdict: "holds",
      detail: "every change reached both watches",
      judged: 60,
      violations: [],
    },
    { name: "lease", verdict: "holds", detail: "no leases in this run", judged: 0, violations: [] },
    { name: "durable", verdict: "unknown", detail: "the final reads ran out of budget", judged: 12, violations: [] },
  ];
}

function syntheticPlan(members: readonly string[], durationMs: number): Plan {
  return {
    format: "faultline-plan",
    version: 1,
    scenario: "leader-killed-during-writes",
    seed: 42,
    members: members.map((name) => ({ name, config: {}, clockOffsetMs: 0, clockDriftPpm: 0 })),
    link: { minDelayMs: 0, maxDelayMs: 3, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 },
    syncMs: { min: 0, max: 2 },
    faults: [{ atMs: durationMs * 0.25, fault: { fault: "kill", target: "leader", powerLoss: false } }],
    clients: [],
    watches: [],
    phases: { safetyMs: durationMs * 0.7, progressBoundMs: durationMs * 0.2, settleMs: 500 },
    checks: ["linearizable", "watch-reliable", "lease", "durable"],
  };
}
