/*
 * Small scenarios within budgets that take seconds. What they hold in full is measured by `faultline sim --exhaustive`.
 */
import { describe, expect, test } from "vitest";
import { checkMemberConfig } from "../../core/index.ts";
import { smallScenarioNamed, smallScenarios } from "../../scenarios/small/index.ts";
import { noBudgets, type SmallScenario } from "../../scenarios/small/small-scenario.ts";
import { budgetMax, type Code, codeAt, codeOfDelivery } from "../../sim/exhaustive/choices.ts";
import { SmallCluster } from "../../sim/exhaustive/cluster.ts";
import { Explorer } from "../../sim/exhaustive/explorer.ts";
import type { Row } from "../../sim/exhaustive/flight.ts";
import { describePath } from "../../sim/exhaustive/path.ts";
import { configOf } from "../../sim/exhaustive/small-member.ts";

const unbounded = { statesMax: 1_000_000, depthMax: undefined };

function explored(scenario: SmallScenario, bounds: ConstructorParameters<typeof Explorer>[1] = unbounded): Explorer {
  const explorer = new Explorer(scenario, bounds);
  while (explorer.ending === undefined) explorer.advance(1_000);
  return explorer;
}

function named(name: string): SmallScenario {
  const scenario = smallScenarioNamed(name);
  if (scenario === undefined) throw new Error(`${name} is gone`);
  return scenario;
}

/** The same with fewer choices: a timeout less and one read, and no write beside a wiped disk or a handover. */
function lessened(scenario: SmallScenario): SmallScenario {
  const { timeouts, writes, reads, wipes, transfers } = scenario.budgets;
  const budgets = {
    ...scenario.budgets,
    timeouts: Math.max(1, timeouts - 1),
    writes: wipes + transfers > 0 ? 0 : writes,
    reads: Math.min(1, reads),
  };
  return { ...scenario, budgets };
}

describe("everything that may happen", () => {
  test.each(smallScenarios)(
    "$name is exhausted within smaller budgets and nothing is broken",
    (scenario) => {
      const explorer = explored(lessened(scenario));
      expect(explorer.violation).toBeUndefined();
      expect(explorer.ending).toBe("exhausted");
      expect(explorer.states).toBeGreaterThan(100);
      expect(explorer.waiting).toBe(0);
    },
    120_000,
  );

  test("the same scenario gives the same states, transitions and depth", () => {
    const [one, other] = [
      explored(lessened(named("votes-and-crashes"))),
      explored(lessened(named("votes-and-crashes"))),
    ];
    expect([one.states, one.transitions, one.depth]).toEqual([other.states, other.transitions, other.depth]);
  });

  test("an order that links may break has more states than one that they keep", () => {
    const scenario = { ...lessened(named("rival-tails")), budgets: { ...noBudgets, timeouts: 2 } };
    const ordered = explored(scenario);
    const any = explored({ ...scenario, links: "any" });
    expect(any.ending).toBe("exhausted");
    expect(any.states).toBeGreaterThan(ordered.states);
  });

  test("a bound of depth or of states stops it, and what waits is said", () => {
    const deep = explored(named("earlier-terms"), { statesMax: 1_000_000, depthMax: 6 });
    expect([deep.ending, deep.depth]).toEqual(["depth", 6]);
    expect(deep.waiting).toBeGreaterThan(0);
    const many = explored(named("earlier-terms"), { statesMax: 500, depthMax: undefined });
    expect([many.ending, many.states]).toEqual(["states", 500]);
    expect(many.waiting).toBeGreaterThan(0);
  });

  test("a path is told step by step, with what each member sent", () => {
    const cluster = new SmallCluster(named("rival-tails"));
    const first = cluster.start();
    const code = codeAt("timeout", 0);
    expect(cluster.step(first, code)).toBe("moved");
    expect(describePath(cluster, [code])).toEqual([
      "   1  an election timeout passes at member 1",
      "        1 becomes candidate of term 1",
      "        sent 1→2 vote term=1 last=0/0",
      "        sent 1→3 vote term=1 last=0/0",
    ]);
  });
});

test.each(smallScenarios)(
  "$name fits into what a state can hold, and empties disks only where others are asked",
  (scenario) => {
    expect(scenario.members).toBeGreaterThanOrEqual(2);
    expect(scenario.members).toBeLessThanOrEqual(5);
    for (const budget of Object.values(scenario.budgets)) {
      expect(Number.isInteger(budget) && budget >= 0 && budget <= budgetMax).toBe(true);
    }
    expect(checkMemberConfig(configOf(scenario))).toBeUndefined();
    expect(scenario.budgets.wipes === 0 || scenario.asksOthers).toBe(true);
    expect(smallScenarios.filter(({ name }) => name === scenario.name)).toHaveLength(1);
  },
);

describe("what is one state", () => {
  const scenario: SmallScenario = { ...named("rival-tails"), budgets: { ...noBudgets, timeouts: 4, crashes: 1 } };

  /** @param names of steps: a slot that times out, or "from→to" for the oldest message of that link */
  function reached(cluster: SmallCluster, steps: readonly (number | `${number}→${number}`)[]): Row {
    let state = cluster.start();
    for (const step of steps) {
      const code = typeof step === "number" ? codeAt("timeout", step - 1) : delivery(cluster, state, step);
      expect(cluster.step(state, code)).toBe("moved");
      state = { cells: cluster.next.cells.slice(0, cluster.next.length), length: cluster.next.length };
    }
    return state;
  }

  function delivery(cluster: SmallCluster, state: Row, link: string): Code {
    const found = cluster.inFlight(state).find((number) => {
      const { from, to } = cluster.messages.at(number);
      return `${from}→${to}` === link;
    });
    if (found === undefined) throw new Error(`nothing is in flight from ${link}`);
    return codeOfDelivery(found);
  }

  function signatureOf(cluster: SmallCluster, state: Row): string {
    cluster.signature.sign(state);
    return `${cluster.signature.low} ${cluster.signature.high}`;
  }

  test.each(["ordered", "any"] as const)("independent steps in either order lead to one state, links %s", (links) => {
    const cluster = new SmallCluster({ ...scenario, links });
    const one = reached(cluster, [1, 3, "1→2"]);
    const other = reached(cluster, [1, "1→2", 3]);
    expect(Array.from(one.cells)).toEqual(Array.from(other.cells));
    expect(signatureOf(cluster, one)).toBe(signatureOf(cluster, other));
  });

  test("dependent steps in either order lead to two states", () => {
    const cluster = new SmallCluster(scenario);
    const one = reached(cluster, [1, 1, 3, "1→2", "3→2"]);
    const other = reached(cluster, [1, 1, 3, "3→2", "1→2"]);
    expect(signatureOf(cluster, one)).not.toBe(signatureOf(cluster, other));
  });

  test("members that changed places lead to one state", () => {
    const cluster = new SmallCluster(scenario);
    const one = reached(cluster, [1, 3, "1→2", "3→1", "2→1"]);
    const other = reached(cluster, [2, 1, "2→3", "1→2", "3→2"]);
    expect(Array.from(one.cells)).not.toEqual(Array.from(other.cells));
    expect(signatureOf(cluster, one)).toBe(signatureOf(cluster, other));
  });

  test("the order on a link counts only where links keep it", () => {
    const isOne = (links: "ordered" | "any"): boolean => {
      const cluster = new SmallCluster({ ...scenario, links });
      const state = reached(cluster, [1, 1]);
      const [first, second] = cluster.inFlight(state).filter((number) => cluster.messages.slotOf(number) === 1);
      const swapped = {
        length: state.length,
        cells: state.cells.map((cell, at) =>
          at < state.length - cluster.inFlight(state).length
            ? cell
            : cell === first
              ? (second ?? 0)
              : cell === second
                ? (first ?? 0)
                : cell,
        ),
      };
      return signatureOf(cluster, state) === signatureOf(cluster, swapped);
    };
    expect(isOne("any")).toBe(true);
    expect(isOne("ordered")).toBe(false);
  });
});
