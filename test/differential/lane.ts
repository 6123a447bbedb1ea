/*
 * Three targets side by side: a sequence goes to all of them at once, and what they showed is compared step by step.
 * Our two must agree in everything; with the stock etcd they must agree but for the written differences.
 */

import type { MemberConfig } from "../../core/index.ts";
import { txnOperationsMax } from "./data-arbitraries.ts";
import { explain } from "./differences.ts";
import { GrpcTarget, ours } from "./grpc-target.ts";
import { printed } from "./messages.ts";
import { notServed, Session } from "./session.ts";
import { SimTarget } from "./sim-target.ts";
import type { Seen, Sequence } from "./steps.ts";
import type { Target } from "./target.ts";

/** What a comparison brought. */
export interface Verdict {
  /** The first step that differs without reason, as text; undefined when all agree. */
  readonly unexplained: string | undefined;
  /** Differences by the name of the entry that explains them. */
  readonly explained: ReadonlyMap<string, number>;
}

const flags = [`--max-txn-ops=${txnOperationsMax}`, "--bcrypt-cost=4"];
const config: Partial<MemberConfig> = { txnOperationsMax };

export class Lane {
  readonly #targets: readonly [Target, Target, Target];
  readonly #sessions: readonly [Session, Session, Session];

  #closed = false;

  private constructor(targets: readonly [Target, Target, Target]) {
    this.#targets = targets;
    const [simulated, process, stock] = targets;
    this.#sessions = [new Session(simulated), new Session(process), new Session(stock)];
  }

  /** @param options.members of the simulated cluster; the processes are one each */
  static async start(options: {
    /** Path of the stock etcd. */
    readonly stock: string;
    readonly members: number;
    readonly seed: number;
  }): Promise<Lane> {
    const { stock, members: size, seed } = options;
    const simulated = await SimTarget.start({ size, seed, config });
    const process = await GrpcTarget.start(ours, flags);
    try {
      return new Lane([simulated, process, await GrpcTarget.start(stock, flags)]);
    } catch (error) {
      await process.close();
      throw error;
    }
  }

  /** @throws when a target does something no sequence may lead to; begin anew with {@link restart} */
  async compare(sequence: Sequence): Promise<Verdict> {
    const cleanly = sequence.flat().some((step) => step.do === "call" && step.method === "HashKV");
    let bases = await all(this.#sessions, (session) => session.reset({ cleanly }));
    while (bases.some((base) => base < leastBase)) {
      bases = await all(this.#sessions, (session) => session.reset({ cleanly }));
    }
    const comparableHashes = cleanly && bases.every((base) => base === bases[0]);
    const [simulated, process, stock] = await all(this.#sessions, (session) => session.run(sequence, comparableHashes));
    const explained = new Map<string, number>();
    for (let position = 0; position < Math.max(simulated.length, process.length, stock.length); position++) {
      const own = process[position] ?? nothing;
      const first = simulated[position] ?? nothing;
      const isServed = first.outcome !== notServed || first.step !== own.step;
      const seen = [isServed ? first : own, own, stock[position] ?? nothing] as const;
      const needed = printed(seen[0]) === printed(seen[1]) ? explain(seen[1], seen[2]) : undefined;
      if (needed === undefined) return { unexplained: this.#describe(sequence, seen), explained };
      for (const name of needed) explained.set(name, (explained.get(name) ?? 0) + 1);
    }
    return { unexplained: undefined, explained };
  }

  /** Begins anew everywhere; not once it was closed: a comparison that was given up may still end after that. */
  async restart(): Promise<void> {
    if (this.#closed) return;
    await all(this.#targets, (target) => target.restart());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await all(this.#targets, (target) => target.close());
  }

  #describe(sequence: Sequence, seen: readonly [Seen, Seen, Seen]): string {
    const number = Number.parseInt(seen[2].step, 10);
    const step = sequence.flat()[number - 1];
    const lines = seen.map((each, position) => `  ${this.#targets[position]?.name}: ${printed(each)}`);
    return [`step ${number}: ${printed(step)}`, ...lines].join("\n");
  }
}

/** A sequence may name a revision so far before its beginning that it must not be one below 0. */
const leastBase = 10n;
const nothing: Seen = { step: "nothing", outcome: "nothing" };

function all<Each, Result>(
  [first, second, third]: readonly [Each, Each, Each],
  act: (each: Each) => Promise<Result>,
): Promise<readonly [Result, Result, Result]> {
  return Promise.all([act(first), act(second), act(third)]);
}
