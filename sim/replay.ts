/*
 * One plan in two worlds side by side, event by event: the digests must agree after each. The first event after which
 * they do not is shown with what came before it in both.
 */
import type { Plan } from "../scenarios/plan.ts";
import type { ScheduledEvent } from "./schedule.ts";
import { traceLine } from "./trace.ts";
import type { World } from "./world.ts";

export type Verification =
  | { readonly same: true; readonly world: World }
  | {
      readonly same: false;
      readonly world: World;
      /** Position of the first event that differs, from 1. */
      readonly event: number;
      /** Lines for people: what both had seen, then what each did. */
      readonly lines: readonly string[];
    };

/** Events shown before the first difference. */
const contextMax = 8;

/** @param make a fresh world for the plan, with nothing shared between two of them */
export function verifyPlan(plan: Plan, make: (plan: Plan) => World): Verification {
  const first = make(plan);
  const second = make(plan);
  const context: ScheduledEvent[] = [];
  while (!first.isOver && !second.isOver) {
    first.stepEvent();
    second.stepEvent();
    if (first.digest.word !== second.digest.word || first.isOver !== second.isOver) {
      return { same: false, world: first, event: first.events, lines: linesOf(first, second, context) };
    }
    const event = first.lastEvent;
    if (event === undefined) continue;
    context.push(event);
    if (context.length > contextMax) context.shift();
  }
  if (`${first.digest}` !== `${second.digest}`) {
    return { same: false, world: first, event: first.events, lines: linesOf(first, second, context) };
  }
  return { same: true, world: first };
}

function linesOf(first: World, second: World, context: readonly ScheduledEvent[]): readonly string[] {
  return [
    ...context.map((event) => `  both    ${traceLine(first, event)}`),
    ...[first, second].map((world, position) => {
      const event = world.lastEvent;
      const line = event === undefined ? "nothing" : traceLine(world, event);
      return `  ${position === 0 ? "first " : "second"}  ${line} → ${world.digest}${world.isOver ? " (over)" : ""}`;
    }),
  ];
}
