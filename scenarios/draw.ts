/*
 * (scenario, seed) → plan: every choice of a run made before it starts, each from a stream of its own name. One more
 * draw in one place shifts nothing elsewhere.
 */
import { defaultMemberConfig, type MemberConfig, type Random } from "../core/index.ts";
import { between, chance, oneOf, someOf } from "./chance.ts";
import type { LinkLaw } from "./faults.ts";
import { type Plan, type PlannedMember, planFormat, planVersion } from "./plan.ts";
import type { DrawContext, Scenario, World } from "./scenario.ts";
import { drawTuning } from "./tuning.ts";

/**
 * Draws a complete plan. The same scenario, seed and world always give the same plan.
 *
 * @param options.random the root stream of that seed; only forked, never drawn from directly
 */
export function drawPlan(
  scenario: Scenario,
  options: { readonly seed: number; readonly random: Random; readonly world: World },
): Plan {
  const { seed, world } = options;
  const root = options.random.fork(`plan/${scenario.name}`);
  const voters = countOf(scenario.cluster.voters, root.fork("voters"), world);
  const names = memberNames(voters + countOf(scenario.cluster.spares ?? 0, root.fork("spares"), world));
  const members = names.slice(0, voters);
  const spares = names.slice(voters);
  const config = drawConfig(scenario, root.fork("config"), world);
  const link = scenario.link ?? drawLink(root.fork("link"), world);
  const safetyMs = lengthOf(scenario, root.fork("duration"), world);
  const context = { world, members, spares, config, link, safetyMs, callsUntilMs: safetyMs + progressBoundMs };
  const workload = scenario.workload({ ...context, random: root.fork("workload") });
  const faults = faultsOf(scenario, { ...context, random: root.fork("faults") });
  const core = drawCore(scenario, root.fork("core"), { members, faults });
  return {
    format: planFormat,
    version: planVersion,
    scenario: scenario.name,
    seed,
    members: names.map((name) => {
      const member = drawMember(scenario, root.fork(`member/${name}`), { name, config, world });
      return spares.includes(name) ? { ...member, joins: true } : member;
    }),
    link,
    syncMs: drawSync(root.fork("sync"), world),
    faults,
    clients: workload.clients,
    watches: workload.watches,
    phases: { safetyMs, ...(core === undefined ? undefined : { core }), progressBoundMs, settleMs: settleMs[world] },
    checks: scenario.checks,
    ...(scenario.meant === undefined ? undefined : { meant: scenario.meant }),
  };
}

function countOf(counts: number | readonly [number, ...number[]], random: Random, world: World): number {
  if (typeof counts === "number") return counts;
  return world === "sim" ? oneOf(random, counts) : counts[0];
}

function lengthOf({ durationMs }: Scenario, random: Random, world: World): number {
  const { sim } = durationMs;
  if (world === "real") return durationMs.real;
  return typeof sim === "number" ? sim : oneOf(random, sim);
}

/** n1, n2, … in plan order. */
function memberNames(count: number): string[] {
  return Array.from({ length: count }, (_, position) => `n${position + 1}`);
}

/** Several failed elections at the slowest timers, and time for clients to come round. */
const progressBoundMs = 20_000;

/** Time for watchers and followers to catch up before the final reads. */
const settleMs: { readonly [Name in World]: number } = { sim: 4_000, real: 3_000 };

function drawConfig(scenario: Scenario, random: Random, world: World): MemberConfig {
  const drawn = scenario.cluster.swarm === false ? {} : drawTuning(random, world);
  const { config: own } = scenario.cluster;
  const chosen = typeof own === "function" ? own(random.fork("own"), world) : own;
  const config = { ...defaultMemberConfig, ...drawn, ...chosen };
  // etcd's rule: 5 s and two election timeouts.
  const requestTimeoutMs = chosen?.requestTimeoutMs ?? 5_000 + 2 * config.tickMs * config.electionTicks;
  return { ...config, requestTimeoutMs };
}

function drawMember(
  scenario: Scenario,
  random: Random,
  { name, config, world }: { readonly name: string; readonly config: MemberConfig; readonly world: World },
): PlannedMember {
  return {
    name,
    config: overridesOf({ ...config, ...scenario.cluster.memberConfig?.(random.fork("config"), world) }),
    clockOffsetMs: between(random, { min: 0, max: scenario.cluster.clockOffsetMsMax ?? 0 }),
    clockDriftPpm: 0,
  };
}

/** Fields that differ from their default. */
function overridesOf(config: MemberConfig): PlannedMember["config"] {
  const standard: PlannedMember["config"] = { ...defaultMemberConfig };
  return Object.fromEntries(Object.entries(config).filter(([field, value]) => standard[field] !== value));
}

/** Real links are as they are; simulated ones delay, and in some seeds lose, repeat and reorder. */
function drawLink(random: Random, world: World): LinkLaw {
  if (world === "real") return plainLink;
  const minDelayMs = oneOf(random, [0, 1, 1, 2]);
  return {
    minDelayMs,
    maxDelayMs: minDelayMs + oneOf(random, [1, 4, 10, 20]),
    lossPpm: chance(random, 50) ? oneOf(random, [1_000, 10_000, 50_000]) : 0,
    duplicatePpm: chance(random, 30) ? oneOf(random, [1_000, 20_000]) : 0,
    reorderPpm: chance(random, 30) ? oneOf(random, [1_000, 20_000]) : 0,
  };
}
const plainLink: LinkLaw = { minDelayMs: 0, maxDelayMs: 0, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 };

function drawSync(random: Random, world: World): Plan["syncMs"] {
  if (world === "real") return { min: 0, max: 0 };
  return { min: oneOf(random, [0, 1]), max: oneOf(random, [1, 3, 10, 20]) };
}

/** In every second seed only a quorum is healed at first: the others must not be needed. */
function drawCore(
  { healAllAtOnce: allAtOnce }: Scenario,
  random: Random,
  { members, faults }: { readonly members: readonly string[]; readonly faults: Plan["faults"] },
): readonly string[] | undefined {
  if (typeof allAtOnce === "function" ? allAtOnce(faults) : allAtOnce === true) return undefined;
  if (members.length < 3 || chance(random, 50)) return undefined;
  return someOf(random, members, Math.floor(members.length / 2) + 1);
}

/** In the order they happen; those of one instant keep the scenario's order. */
function faultsOf(scenario: Scenario, context: DrawContext): Plan["faults"] {
  const { faults } = scenario;
  const planned = typeof faults === "function" ? faults(context) : faults;
  return planned.toSorted((a, b) => a.atMs - b.atMs).filter(({ atMs }) => atMs < context.safetyMs);
}
