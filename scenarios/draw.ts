/*
 * (scenario, seed) → plan: every choice of a run made before it starts, each from a stream of its own name.
 */
import type { Random } from "../core/index.ts";
import type { Plan } from "./plan.ts";
import type { Scenario, World } from "./scenario.ts";

/**
 * Draws a complete plan. The same scenario, seed and world always give the same plan.
 *
 * @param options.random the root stream of that seed; only forked, never drawn from directly
 */
export function drawPlan(
  scenario: Scenario,
  options: { readonly seed: number; readonly random: Random; readonly world: World },
): Plan {
  throw new Error(`not yet ${scenario.name} ${options.seed}`);
}
