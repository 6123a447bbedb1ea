/*
 * Breadth first through everything that may happen: every state once, nearest first, so that the first broken rule is
 * reached by a shortest path. Work is done in slices, so that whoever drives it can stop, show and look at the clock.
 *
 * A state that was expanded is kept as its hash, the state it came from and the step; only states of the present and the
 * next depth are kept whole.
 */
import type { SmallScenario } from "../../scenarios/small/small-scenario.ts";
import type { Broken } from "./annals.ts";
import type { Code } from "./choices.ts";
import { SmallCluster } from "./cluster.ts";
import type { Row } from "./flight.ts";
import { doubled } from "./lanes.ts";
import { collisionChance, Visited } from "./visited.ts";

export interface Bounds {
  /** States found, at most. */
  readonly statesMax: number;
  /** Steps of a path, at most; undefined: as many as there are. */
  readonly depthMax: number | undefined;
}

/** "exhausted": there is no other state within the scenario's budgets. */
export type Ending = "exhausted" | "violated" | "states" | "depth";

export interface Violation extends Broken {
  /** From the start; the last step is the one that broke the rule. */
  readonly path: readonly Code[];
}

export class Explorer {
  readonly cluster: SmallCluster;
  readonly #bounds: Bounds;
  readonly #visited = new Visited();
  /** By state, in the order they were found: where it came from, and by which step. */
  #parents = new Int32Array(1 << 12);
  #steps = new Int32Array(1 << 12);
  #level = new Level();
  #nextLevel = new Level();
  /** Number of the first state of the level. */
  #firstOfLevel = 0;
  #expandedOfLevel = 0;
  #depth = 0;
  #transitions = 0;
  #ending: Ending | undefined;
  #violation: Violation | undefined;

  constructor(scenario: SmallScenario, bounds: Bounds) {
    this.cluster = new SmallCluster(scenario);
    this.#bounds = bounds;
    const start = this.cluster.start();
    this.cluster.signature.sign(start);
    this.#visited.add(this.cluster.signature);
    this.#level.push(start);
    this.#parents[0] = -1;
  }

  /** States found, up to the names of members. */
  get states(): number {
    return this.#visited.count;
  }
  /** Steps tried that led somewhere, to states found before too. */
  get transitions(): number {
    return this.#transitions;
  }
  /** Every path of so many steps was tried; the states that they lead to are being expanded. */
  get depth(): number {
    return this.#depth;
  }
  /** States of this depth that are not expanded yet, and those of the next found so far. */
  get waiting(): number {
    return this.#level.count - this.#expandedOfLevel + this.#nextLevel.count;
  }
  get ending(): Ending | undefined {
    return this.#ending;
  }
  get violation(): Violation | undefined {
    return this.#violation;
  }
  /** See {@link collisionChance}. */
  get collisionChance(): number {
    return collisionChance(this.states, this.cluster.foldedBy);
  }

  /** Expands so many states at most. */
  advance(count: number): void {
    for (let done = 0; done < count && this.#ending === undefined; done++) {
      const state = this.#level.take();
      if (state === undefined) this.#descend();
      else this.#expand(state);
    }
  }

  #expand(state: Row): void {
    const { cluster } = this;
    const number = this.#firstOfLevel + this.#expandedOfLevel;
    this.#expandedOfLevel += 1;
    for (const code of cluster.choices(state)) {
      const stepped = cluster.step(state, code);
      if (stepped === "idle") continue;
      this.#transitions += 1;
      if (stepped === "broken") {
        const { rule, text } = cluster.broken ?? { rule: "unknown", text: "" };
        this.#violation = { rule, text, path: [...this.#pathTo(number), code] };
        this.#ending = "violated";
        return;
      }
      cluster.signature.sign(cluster.next);
      const found = this.#visited.count;
      if (!this.#visited.add(cluster.signature)) continue;
      this.#note(found, number, code);
      this.#nextLevel.push(cluster.next);
      if (this.#visited.count >= this.#bounds.statesMax) {
        this.#ending = "states";
        return;
      }
    }
  }

  #descend(): void {
    if (this.#nextLevel.count === 0) {
      this.#ending = "exhausted";
      return;
    }
    this.#depth += 1;
    if (this.#depth === this.#bounds.depthMax) {
      this.#ending = "depth";
      return;
    }
    this.#firstOfLevel += this.#expandedOfLevel;
    this.#expandedOfLevel = 0;
    const done = this.#level;
    this.#level = this.#nextLevel;
    this.#nextLevel = done;
    done.clear();
  }

  #note(state: number, parent: number, code: Code): void {
    if (state === this.#parents.length) {
      this.#parents = doubled(this.#parents);
      this.#steps = doubled(this.#steps);
    }
    this.#parents[state] = parent;
    this.#steps[state] = code;
  }

  #pathTo(state: number): Code[] {
    const path: Code[] = [];
    for (let at = state; at > 0; at = this.#parents[at] as number) path.push(this.#steps[at] as number);
    return path.reverse();
  }
}

/** Whole states, one after the other, each behind its length. */
class Level {
  #cells = new Int32Array(1 << 12);
  #end = 0;
  #taken = 0;
  count = 0;

  push(state: Row): void {
    while (this.#end + state.length + 1 > this.#cells.length) this.#cells = doubled(this.#cells);
    this.#cells[this.#end] = state.length;
    for (let at = 0; at < state.length; at++) this.#cells[this.#end + 1 + at] = state.cells[at] as number;
    this.#end += state.length + 1;
    this.count += 1;
  }

  take(): Row | undefined {
    if (this.#taken >= this.#end) return undefined;
    const length = this.#cells[this.#taken] as number;
    const start = this.#taken + 1;
    this.#taken = start + length;
    return { cells: this.#cells.subarray(start, start + length), length };
  }

  clear(): void {
    this.#end = 0;
    this.#taken = 0;
    this.count = 0;
  }
}
