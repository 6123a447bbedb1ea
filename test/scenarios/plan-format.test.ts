import { isDeepStrictEqual } from "node:util";
import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { drawPlan } from "../../scenarios/draw.ts";
import type { PlannedFault } from "../../scenarios/faults.ts";
import { scenarioNamed, scenarios } from "../../scenarios/index.ts";
import type { Plan } from "../../scenarios/plan.ts";
import { checkPlan, parsePlan, serialisePlan } from "../../scenarios/plan-format.ts";
import type { Scenario } from "../../scenarios/scenario.ts";
import { SimRandom } from "../../sim/random.ts";

const law = { minDelayMs: 1, maxDelayMs: 2, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 };
const watch = {
  client: 9,
  home: 0,
  atMs: 0,
  key: "k",
  prevKv: false,
  noPut: false,
  noDelete: false,
  progressNotify: false,
  progressRequestMs: 0,
  slowByMs: 0,
};
/** A small plan with one of most things; hand-edits below break one place each. */
const small: Plan = {
  format: "faultline-plan",
  version: 1,
  scenario: "by-hand",
  seed: 1,
  members: ["n1", "n2", "n3"].map((name) => ({
    name,
    config: { preVote: false, tickMs: 50 },
    clockOffsetMs: 0,
    clockDriftPpm: 0,
  })),
  link: law,
  syncMs: { min: 0, max: 1 },
  faults: [
    { atMs: 5, fault: { fault: "isolate", target: "leader" } },
    { atMs: 6, fault: { fault: "copyDisk", target: "n1", label: "early" } },
    { atMs: 7, fault: { fault: "restoreDisk", label: "early" } },
    { atMs: 8, fault: { fault: "partition", groups: [["n1"], ["n2", "n3"]] } },
    { atMs: 9, fault: { fault: "linkLaw", law } },
  ],
  clients: [
    {
      client: 1,
      home: 0,
      timeoutMs: 100,
      failover: true,
      calls: [
        { id: 1, atMs: 0, operation: { op: "put", key: "k", value: "v\u00ff" } },
        {
          id: 2,
          atMs: 0,
          operation: {
            op: "txn",
            compares: [{ target: "mod", result: "equal", key: "k", operand: { lastSeen: "mod" } }],
            success: [{ op: "put", key: "k", value: "w" }],
            failure: [{ op: "range", key: "k", revisionBack: 3 }],
          },
        },
        { id: 3, atMs: 0, operation: { op: "leaseGrant", lease: "7", ttlSeconds: 5 } },
      ],
    },
  ],
  watches: [watch],
  phases: { safetyMs: 10, core: ["n1", "n2"], progressBoundMs: 10, settleMs: 1 },
  checks: ["linearizable"],
};

const errorOf = (text: string): string => {
  const reading = parsePlan(text);
  return reading.ok ? "accepted" : reading.error;
};

test("a plan by hand is read back as it was written", () => {
  expect(parsePlan(serialisePlan(small))).toEqual({ ok: true, plan: small });
});

property.prop([fc.constantFrom(...scenarios.map(({ name }) => name)), fc.nat({ max: 1_000_000 })], { numRuns: 15 })(
  "every drawn plan is read back as it was written",
  (name: string, seed: number) => {
    const scenario = scenarioNamed(name) as Scenario;
    const plan = drawPlan(scenario, { seed, random: new SimRandom(seed), world: "sim" });
    const text = serialisePlan(plan);
    const reading = parsePlan(text);
    expect(isDeepStrictEqual(reading, { ok: true, plan })).toBe(true);
    expect(reading.ok && serialisePlan(reading.plan)).toBe(text);
  },
);

/** What an editor may do: the value at a path replaced, or removed. */
function edited(path: readonly (string | number)[], value?: unknown): string {
  const copy: unknown = JSON.parse(JSON.stringify(small));
  let place = copy as { [field: string | number]: unknown };
  for (const step of path.slice(0, -1)) place = place[step] as { [field: string | number]: unknown };
  const last = path[path.length - 1] as string | number;
  if (value === undefined) delete place[last];
  else place[last] = value;
  return JSON.stringify(copy);
}

const firstCall = ["clients", 0, "calls", 0, "operation"] as const;
const txn = ["clients", 0, "calls", 1, "operation"] as const;
const malformed: readonly (readonly [what: string, text: string, place: string, remedy: RegExp])[] = [
  ["an empty file", "", "plan", /copy the whole file again/],
  ["a truncated file", serialisePlan(small).slice(0, 400), "plan", /ends too early.*copy the whole file again/],
  ["a broken line", serialisePlan(small).replace('"seed": 1', '"seed" 1'), "plan", /line 5 is no JSON; correct/],
  ["a list", "[]", "plan", /is no object/],
  ["another kind of file", '{"type":"meta"}', "plan.format", /give the plan\.json/],
  ["a newer version", edited(["version"], 2), "plan.version", /newer.*use the program that wrote it/],
  ["an older version", edited(["version"], 0), "plan.version", /older/],
  ["a version that is no number", edited(["version"], "1"), "plan.version", /no whole number/],
  [
    "a founding member that is to be added",
    edited(["faults", 0, "fault"], { fault: "addMember", target: "n1", learner: false }),
    "plan.faults[0].fault.target",
    /plan a member with joins: true/,
  ],
  [
    "a role that is to be promoted",
    edited(["faults", 0, "fault"], { fault: "promoteMember", target: "follower" }),
    "plan.faults[0].fault.target",
    /write one of n1, n2, n3/,
  ],
  ["a missing part", edited(["clients"]), "plan.clients", /is missing/],
  ["an unknown field", edited(["fautls"], []), "plan.fautls", /mean: .*faults/],
  [
    "an unknown field deep inside",
    edited([...firstCall, "vlaue"], "x"),
    "plan.clients[0].calls[0].operation.vlaue",
    /mean:/,
  ],
  ["an unknown operation", edited([...firstCall, "op"], "pt"), "plan.clients[0].calls[0].operation.op", /range, put/],
  [
    "an operation of another kind",
    edited([...firstCall, "value"], 5),
    "plan.clients[0].calls[0].operation.value",
    /text/,
  ],
  ["a value beyond bytes", edited([...firstCall, "value"], "€"), "plan.clients[0].calls[0].operation.value", /no byte/],
  [
    "a bad placeholder",
    edited([...txn, "compares", 0, "operand"], { lastSeen: "x" }),
    "plan.clients[0].calls[1].operation.compares[0].operand.lastSeen",
    /mod, value, version/,
  ],
  [
    "a text where a revision belongs",
    edited([...txn, "compares", 0, "operand"], "7"),
    "plan.clients[0].calls[1].operation.compares[0].operand",
    /whole number/,
  ],
  [
    "two ways to name a revision",
    edited([...txn, "failure", 0, "revision"], 4),
    "plan.clients[0].calls[1].operation.failure[0].revision",
    /remove it/,
  ],
  [
    "lease zero",
    edited(["clients", 0, "calls", 2, "operation", "lease"], "0"),
    "plan.clients[0].calls[2].operation.lease",
    /decimal text/,
  ],
  [
    "a lease beyond 63 bits",
    edited(["clients", 0, "calls", 2, "operation", "lease"], "9223372036854775808"),
    "plan.clients[0].calls[2].operation.lease",
    /decimal text/,
  ],
  ["an unknown fault", edited(["faults", 0, "fault", "fault"], "explode"), "plan.faults[0].fault.fault", /isolate/],
  [
    "a fault that would never happen",
    edited(["faults", 0, "atMs"], 10),
    "plan.faults[0].atMs",
    /never happen; move it/,
  ],
  ["a fault's missing field", edited(["faults", 0, "fault", "target"]), "plan.faults[0].fault.target", /is missing/],
  [
    "an unknown member in a fault",
    edited(["faults", 0, "fault", "target"], "n9"),
    "plan.faults[0].fault.target",
    /n1, n2, n3, leader, follower/,
  ],
  [
    "an unknown member in a group",
    edited(["faults", 3, "fault", "groups", 1, 0], "x"),
    "plan.faults[3].fault.groups[1][0]",
    /n1, n2, n3$/,
  ],
  [
    "a member in two groups",
    edited(["faults", 3, "fault", "groups", 1, 0], "n1"),
    "plan.faults[3].fault.groups[1][0]",
    /once/,
  ],
  [
    "a copy put back that was never made",
    edited(["faults", 2, "fault", "label"], "late"),
    "plan.faults[2].fault.label",
    /copyDisk/,
  ],
  [
    "delays the wrong way round",
    edited(["faults", 4, "fault", "law", "minDelayMs"], 9),
    "plan.faults[4].fault.law",
    /swap/,
  ],
  ["link delays the wrong way round", edited(["link", "maxDelayMs"], 0), "plan.link", /swap/],
  ["sync times the wrong way round", edited(["syncMs", "max"], -1), "plan.syncMs.max", /0\.\./],
  ["no members", edited(["members"], []), "plan.members", /at least one/],
  ["a member named like a role", edited(["members", 0, "name"], "leader"), "plan.members[0].name", /another name/],
  ["two members of one name", edited(["members", 1, "name"], "n1"), "plan.members[1].name", /another name/],
  ["an unknown setting", edited(["members", 0, "config", "tikMs"], 5), "plan.members[0].config.tikMs", /tickMs/],
  [
    "a setting out of range",
    edited(["members", 0, "config", "tickMs"], 0),
    "plan.members[0].config.tickMs",
    /1\.\.10000/,
  ],
  [
    "a switch that is a number",
    edited(["members", 0, "config", "preVote"], 1),
    "plan.members[0].config.preVote",
    /true nor false/,
  ],
  ["a home that is no member", edited(["clients", 0, "home"], 3), "plan.clients[0].home", /0\.\.2/],
  ["a watcher's home that is no member", edited(["watches", 0, "home"], 3), "plan.watches[0].home", /0\.\.2/],
  ["two clients of one number", edited(["watches", 0, "client"], 1), "plan.watches[0].client", /of its own/],
  ["two calls of one number", edited(["clients", 0, "calls", 1, "id"], 1), "plan.clients[0].calls[1].id", /of its own/],
  ["an unknown check", edited(["checks", 0], "liniarizable"), "plan.checks[0]", /linearizable/],
  ["a core below a quorum", edited(["phases", "core"], ["n1"]), "plan.phases.core", /at least 2/],
  ["an unknown member in the core", edited(["phases", "core", 1], "n7"), "plan.phases.core[1]", /n1, n2, n3/],
  ["a time that is no whole number", edited(["phases", "safetyMs"], 1.5), "plan.phases.safetyMs", /whole number/],
];

test("a member that is there to be added counts for the core's quorum once a fault adds it, and not before", () => {
  const fourth = { name: "n4", config: {}, clockOffsetMs: 0, clockDriftPpm: 0, joins: true } as const;
  const grown: Plan = {
    ...small,
    members: [...small.members, fourth],
    phases: { ...small.phases, core: ["n1", "n2"] },
  };
  expect(checkPlan(grown)).toMatchObject({ ok: true });
  const [atMs, target] = [1, "n4"];
  const added: PlannedFault = { atMs, fault: { fault: "addMember", target, learner: false } };
  const inOneStep = {
    fault: "changeMembers",
    add: [],
    addLearners: ["n4"],
    remove: [],
    promote: [],
    demote: [],
  } as const;
  for (const fault of [added, { atMs, fault: inOneStep }]) {
    const checked = checkPlan({ ...grown, faults: [fault] });
    expect(checked.ok ? "" : checked.error).toMatch(/plan\.phases\.core: .* at least 3/);
  }
});

test.each(malformed)("%s is named by its place, with a remedy", (_, text, place, remedy) => {
  const error = errorOf(text);
  expect(error.startsWith(`${place}: `) ? place : error).toBe(place);
  expect(error).toMatch(remedy);
  expect(error).not.toContain("\n");
});

property.prop([fc.nat(), fc.string({ unit: "binary", maxLength: 3 })], { numRuns: 200 })(
  "no damage to a plan's text makes the reader throw",
  (position: number, insert: string) => {
    // Without its last line break a plan is still whole.
    const text = serialisePlan(small).trimEnd();
    const cut = position % text.length;
    expect(typeof parsePlan(text.slice(0, cut) + insert + text.slice(cut + 1)).ok).toBe("boolean");
    expect(parsePlan(text.slice(0, cut)).ok).toBe(false);
  },
);
