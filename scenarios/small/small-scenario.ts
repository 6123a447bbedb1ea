/*
 * The shape of a small scenario: so few members, failures and operations that everything that may happen can be tried,
 * in every order. Nothing is drawn; the budgets say how often each kind of choice may be made on one path. Loss has no
 * budget: a message that is never delivered is lost, and every path leaves some behind.
 * Source: Jackson, Software Abstractions §5.1.3 (the small scope hypothesis); Lamport, Specifying Systems §14.
 */
import type { MemberConfig } from "../../core/index.ts";

/** How often each choice may be made on one path; each in 0..15. */
export interface SmallBudgets {
  /** An election timeout passes at one member: it campaigns, or, if it leads, checks its quorum. */
  readonly timeouts: number;
  /** One tick passes at a leader: it sends heartbeats. */
  readonly heartbeats: number;
  /** A member stops, loses what is not on its disk, and starts again. */
  readonly crashes: number;
  /**
   * A member stops, its disk is emptied, and it starts again. Only where others are asked, and only while all of them
   * remember that it promised something: amnesia.ts says why nobody can find out otherwise.
   */
  readonly wipes: number;
  /** A client writes, at a member that believes it leads. */
  readonly writes: number;
  /** A client asks for a linearizable read, at a member that believes it leads. */
  readonly reads: number;
  /** A message arrives and stays in flight, to arrive once more. */
  readonly copies: number;
  /** An operator asks a leader to hand over to another member. */
  readonly transfers: number;
}

export interface SmallScenario {
  /** Kebab case; also the file's name. */
  readonly name: string;
  /** What is at stake, one sentence. */
  readonly why: string;
  /** Voters, 2..5. */
  readonly members: number;
  /** What differs from a member's defaults. */
  readonly config: Partial<MemberConfig>;
  /** True: that a write is durable is a choice of its own; false: each write is durable as soon as it is begun. */
  readonly slowDisks: boolean;
  /** True: a member that starts again asks the others what it may have forgotten; false: its disk is trusted. */
  readonly asksOthers: boolean;
  /**
   * "ordered": what one member sends another arrives in that order or not at all, as on a stream; "any": in any order.
   * Either way messages are lost and arrive as late as can be. "any" has far more states.
   */
  readonly links: "ordered" | "any";
  /**
   * "led": member 1 leads, its first entry is applied everywhere, and nothing is in flight. "told": besides, it has told
   * everybody what each of them holds.
   */
  readonly start: "blank" | "led" | "told";
  readonly budgets: SmallBudgets;
}

/** No choice at all: a scenario names what it allows. */
export const noBudgets: SmallBudgets = {
  timeouts: 0,
  heartbeats: 0,
  crashes: 0,
  wipes: 0,
  writes: 0,
  reads: 0,
  copies: 0,
  transfers: 0,
};
