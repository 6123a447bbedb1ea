import { describe, expect, test } from "vitest";
import { checkMemberConfig, defaultMemberConfig, memberConfigFields } from "../../core/index.ts";
import { drawPlan } from "../../scenarios/draw.ts";
import { faultMeanings } from "../../scenarios/faults.ts";
import { type Operation, sights } from "../../scenarios/history.ts";
import { scenarioNamed, scenarios } from "../../scenarios/index.ts";
import type { Plan, PlannedKvOperation, PlannedOperation } from "../../scenarios/plan.ts";
import { checkPlan, serialisePlan } from "../../scenarios/plan-format.ts";
import type { Scenario, World } from "../../scenarios/scenario.ts";
import { at } from "../../scenarios/timeline.ts";
import { SimRandom } from "../../sim/random.ts";

const draw = (scenario: Scenario, seed: number, world: World = "sim"): Plan =>
  drawPlan(scenario, { seed, random: new SimRandom(seed), world });

const steady = scenarioNamed("steady") as Scenario;

describe.each(scenarios.map((scenario) => [scenario.name, scenario] as const))("%s", (_, scenario) => {
  test("the same seed gives the same text, another seed another", () => {
    const text = serialisePlan(draw(scenario, 7));
    expect(serialisePlan(draw(scenario, 7))).toBe(text);
    expect(serialisePlan(draw(scenario, 8))).not.toBe(text);
  });

  test("every drawn plan is one the reader accepts, in each of its worlds", () => {
    for (const world of scenario.worlds) {
      for (let seed = 1; seed <= 6; seed++) {
        const plan = draw(scenario, seed, world);
        expect(checkPlan(plan)).toMatchObject({ ok: true });
        for (const member of plan.members) {
          expect(checkMemberConfig({ ...defaultMemberConfig, ...member.config })).toBeUndefined();
        }
      }
    }
  });

  test("faults fall into the safety phase, in the order of their times", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { faults, phases } = draw(scenario, seed);
      for (const fault of faults) expect(fault.atMs).toBeLessThan(phases.safetyMs);
      expect(faults.map((fault) => fault.atMs)).toEqual(faults.map((fault) => fault.atMs).toSorted((a, b) => a - b));
    }
  });

  test("a scenario not for every world says why, and every text is a sentence", () => {
    expect(scenario.worldsWhy === undefined).toBe(scenario.worlds.length === 2);
    expect(scenario.why).toMatch(/^[A-Z].*\.$/);
    expect(scenario.name).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });
});

test("names of scenarios are unique and in order", () => {
  const names = scenarios.map((scenario) => scenario.name);
  expect(names).toEqual([...new Set(names)].toSorted((a, b) => (a < b ? -1 : 1)));
});

test("every scenario but the steady one breaks something", () => {
  for (const scenario of scenarios) {
    let faults = 0;
    for (let seed = 1; seed <= 5; seed++) faults += draw(scenario, seed).faults.length;
    expect([scenario.name, faults > 0]).toEqual([scenario.name, scenario.name !== "steady"]);
  }
});

test("another fault list leaves the drawn clients, members and links alone", () => {
  const plain = draw(steady, 3);
  const broken = draw({ ...steady, faults: [at(2_000).isolate("leader")] }, 3);
  expect(broken.faults).toHaveLength(1);
  expect({ ...broken, faults: [] }).toEqual(plain);
});

test("removing one call or one fault leaves every other part's text as it was", () => {
  const plan = draw(scenarioNamed("leader-killed") as Scenario, 5);
  const [client, ...others] = plan.clients;
  if (client === undefined) throw new Error("no client");
  const smaller: Plan = {
    ...plan,
    faults: plan.faults.slice(1),
    clients: [{ ...client, calls: client.calls.toSpliced(10, 1) }, ...others],
  };
  expect(checkPlan(smaller).ok).toBe(true);
  const before = serialisePlan(plan).split("\n");
  const after = serialisePlan(smaller).split("\n");
  expect(after.length).toBeLessThan(before.length);
  const known = new Set(before);
  expect(after.filter((line) => !known.has(line))).toEqual([]);
});

// ---- what a scenario of everything holds ------------------------------------------------------------------------

describe("over some seeds mixed-everything", () => {
  const plans = Array.from({ length: 150 }, (_none, seed) =>
    draw(scenarioNamed("mixed-everything") as Scenario, seed + 1),
  );

  test("gives plans that the reader accepts", () => {
    for (const plan of plans) expect(checkPlan(plan)).toMatchObject({ ok: true });
  });

  test("makes every fault but one that would leave nothing to judge by", () => {
    const made = new Set(plans.flatMap(({ faults }) => faults.map(({ fault }) => fault.fault as string)));
    // Healing a quorum alone is the end of a run, and no planned fault.
    const never = ["flipValue", "healCore"];
    expect(Object.keys(faultMeanings).filter((name) => !made.has(name))).toEqual(never);
  });

  test("asks for every kind of operation, and looks at all there is to look at", () => {
    const operations = plans.flatMap(({ clients }) =>
      clients.flatMap(({ calls }) => calls.map((call) => call.operation)),
    );
    expect([...new Set(operations.map(({ op }) => op))].sort()).toEqual([
      "auth",
      "compact",
      "deleteRange",
      "hashKv",
      "leaseGrant",
      "leaseKeepAlive",
      "leaseRevoke",
      "leaseTimeToLive",
      "login",
      "look",
      "put",
      "range",
      "txn",
    ]);
    const looks = new Set(operations.flatMap((operation) => (operation.op === "look" ? [operation.at] : [])));
    expect([...looks].sort()).toEqual([...sights].sort());
    const compares = operations.flatMap((operation) => (operation.op === "txn" ? operation.compares : []));
    const kinds = new Set(compares.map(({ target, result }) => `${target} ${result}`));
    expect(kinds.size).toBe(5 * 4);
    expect(operations.some((operation) => operation.op === "compact" && operation.physical === true)).toBe(true);
    expect(plans.some(({ clients }) => clients.some(({ requireLeader }) => requireLeader === true))).toBe(true);
    expect(plans.some(({ watches }) => watches.some(({ cancelAfterMs }) => cancelAfterMs !== undefined))).toBe(true);
    const readers = operations.filter(
      (operation) => operation.op === "txn" && operation.success.every(({ op }) => op === "range"),
    );
    expect(readers.length).toBeGreaterThan(0);
  });

  test("lets nobody begin with nothing where a long log would come one entry a round trip", () => {
    const drawn = Array.from({ length: 600 }, (_none, seed) =>
      draw(scenarioNamed("mixed-everything") as Scenario, seed + 1),
    );
    const slow = drawn.filter(({ members: [first], phases }) => {
      const config = { ...defaultMemberConfig, ...first?.config };
      const isDefault = config.snapshotEntries === defaultMemberConfig.snapshotEntries;
      const oneByOne = config.appendBytesMax === 0 && config.appendsInFlightMax === 1;
      return oneByOne && isDefault && phases.safetyMs === 55_000;
    });
    const emptying = ["wipeDisk", "restoreDisk", "damageLog", "addMember", "changeMembers"];
    const fresh = (plans: readonly Plan[]) =>
      plans.filter(({ faults }) => faults.some(({ fault }) => emptying.includes(fault.fault))).length;
    expect(slow.length).toBeGreaterThan(0);
    expect(fresh(slow)).toBe(0);
    expect(fresh(drawn)).toBeGreaterThan(100);
  });

  test("leaves no option of a member as it is, but for those that need another world or more time than a run has", () => {
    const varied = new Set(plans.flatMap(({ members }) => members.flatMap(({ config }) => Object.keys(config))));
    expect(
      Object.keys(memberConfigFields)
        .filter((field) => !varied.has(field))
        .sort(),
    ).toEqual([
      // Only with clocks that are as far apart as it allows for.
      "leaseAllowanceTicks",
      // Bounds on what no client of a plan does: half a lease without an end, a thousand requests in a stream.
      "leaseTtlMaxSeconds",
      // Signed by the world, which has no keys here.
      "simpleTokens",
      "streamRequestsMax",
      "watchesMax",
      "watchesPerStreamMax",
    ]);
  });
});

// ---- what a standard workload holds ----------------------------------------------------------------------------

function kvOperationsOf(operation: PlannedOperation): PlannedKvOperation[] {
  switch (operation.op) {
    case "txn":
      return [operation, ...[...operation.success, ...operation.failure].flatMap(kvOperationsOf)];
    case "range":
    case "put":
    case "deleteRange":
      return [operation];
    default:
      return [];
  }
}

test("no value is written twice and no lease is granted twice in a plan", () => {
  for (const scenario of scenarios) {
    const plan = draw(scenario, 11);
    const operations = plan.clients.flatMap((client) => client.calls.map((call) => call.operation));
    const values = operations.flatMap(kvOperationsOf).flatMap((inner) => (inner.op === "put" ? [inner.value] : []));
    expect(new Set(values).size).toBe(values.length);
    const leases = operations.flatMap((operation) => (operation.op === "leaseGrant" ? [operation.lease] : []));
    expect(new Set(leases).size).toBe(leases.length);
  }
});

test("no transaction writes a key twice in one branch: etcd would refuse it", () => {
  const written = (branch: readonly PlannedKvOperation[]): string[] =>
    branch.flatMap((inner) => {
      if (inner.op === "put" || inner.op === "deleteRange") return [inner.key];
      return inner.op === "txn" ? [...written(inner.success), ...written(inner.failure)] : [];
    });
  for (let seed = 1; seed <= 10; seed++) {
    for (const client of draw(steady, seed).clients) {
      for (const { operation } of client.calls) {
        if (operation.op !== "txn") continue;
        for (const keys of [written(operation.success), written(operation.failure)]) {
          expect(new Set(keys).size).toBe(keys.length);
        }
      }
    }
  }
});

test("over some seeds the standard workload makes every kind of operation, and a hundred a second", () => {
  const seen = new Map<string, number>();
  const count = (name: string): void => void seen.set(name, (seen.get(name) ?? 0) + 1);
  let calls = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const plan = draw(steady, seed);
    for (const client of plan.clients) {
      for (const { operation, atMs } of client.calls) {
        if (atMs < plan.phases.safetyMs) calls += 1;
        count(operation.op);
        for (const inner of kvOperationsOf(operation)) {
          if (inner.op !== "range") continue;
          if ("revisionBack" in inner) count("old");
          if (inner.serializable === true) count("serializable");
          if (inner.rangeEnd !== undefined) count("many keys");
        }
      }
    }
  }
  const kinds: (Operation["op"] | "old" | "serializable" | "many keys")[] = [
    "range",
    "put",
    "deleteRange",
    "txn",
    "compact",
    "leaseGrant",
    "leaseRevoke",
    "leaseKeepAlive",
    "leaseTimeToLive",
    "old",
    "serializable",
    "many keys",
  ];
  for (const kind of kinds) expect([kind, (seen.get(kind) ?? 0) > 5]).toEqual([kind, true]);
  expect(calls / 10 / 55).toBeGreaterThan(85);
  expect(calls / 10 / 55).toBeLessThan(115);
});

test("a watcher of every key from the first revision stands at each member", () => {
  const plan = draw(steady, 4);
  const everything = plan.watches.filter((watch) => watch.key === "\0" && watch.startRevision === 1);
  expect(everything.map((watch) => watch.home)).toEqual([0, 1, 2]);
});

test("over some seeds both a quorum and everyone is healed first", () => {
  const cores = Array.from({ length: 20 }, (_, seed) => draw(steady, seed + 1).phases.core?.length ?? 3);
  expect(new Set(cores)).toEqual(new Set([2, 3]));
});

test("while one member forgets, the others that remember keep running", () => {
  for (let seed = 1; seed <= 50; seed++) {
    for (const world of ["sim", "real"] as const) {
      const { faults } = draw(scenarioNamed("stale-snapshot-restored") as Scenario, seed, world);
      const kinds = faults.map(({ fault }) => fault.fault);
      expect(kinds.slice(0, 3)).toEqual(["copyDisk", "restoreDisk", "restart"]);
      expect(kinds.slice(3).every((kind) => kind === "healCore" || kind === "healAll")).toBe(true);
      const [copy, restore, restart] = faults;
      expect(restore?.atMs).toBeGreaterThan((copy?.atMs ?? 0) + 1_000);
      expect(restart?.atMs).toBeGreaterThanOrEqual(restore?.atMs ?? 0);
    }
  }
});
