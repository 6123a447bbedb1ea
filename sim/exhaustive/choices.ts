/*
 * Choices as small numbers: a path keeps one for each step, and a state keeps in one what is used of the budgets. A code
 * names the member and the choice; a delivery names the message, which knows its receiver.
 */
import { memberIdOf } from "../../core/index.ts";
import type { SmallBudgets } from "../../scenarios/small/small-scenario.ts";
import type { Messages } from "./messages.ts";
import type { Choice } from "./small-member.ts";

/** One choice at one member. */
export type Code = number;

const kinds = ["timeout", "heartbeat", "persist", "crash", "write", "read", "transfer", "wipe"] as const;
type LocalKind = (typeof kinds)[number];

/** Budgets in the order in which they are packed, four bits each. */
const budgetNames: readonly (keyof SmallBudgets)[] = [
  "timeouts",
  "heartbeats",
  "crashes",
  "writes",
  "reads",
  "copies",
  "transfers",
  "wipes",
];
/** The most that a budget can be. */
export const budgetMax = 15;

const deliverBase = 1 << 16;
const copyBase = 1 << 30;

/** What is used of a budget. */
export const used = (packed: number, name: keyof SmallBudgets): number =>
  (packed >>> (4 * budgetNames.indexOf(name))) & budgetMax;

/** `argument`: the number of the write or read, the slot of the member that is to lead; 0 for the others. */
export const codeAt = (kind: LocalKind, slot: number, argument = 0): Code =>
  (kinds.indexOf(kind) << 8) | (slot << 4) | argument;
export const codeOfDelivery = (message: number): Code => deliverBase + message;
/** The message arrives and stays in flight. */
export const codeOfCopy = (message: number): Code => copyBase + message;

export interface Step {
  readonly kind: LocalKind | "deliver" | "copy";
  /** Position of the member at which it happens. */
  readonly slot: number;
  readonly choice: Choice;
  /** Number of the message that arrives; undefined for other choices. */
  readonly message: number | undefined;
  /** What it adds to the used budgets. */
  readonly cost: number;
  /** The same for choices that do the same to the member. */
  readonly effect: number;
}

/** What the codes mean. */
export class Codebook {
  readonly #messages: Messages;
  readonly #steps = new Map<Code, Step>();

  constructor(messages: Messages) {
    this.#messages = messages;
  }

  stepOf(code: Code): Step {
    const known = this.#steps.get(code);
    if (known !== undefined) return known;
    const step = code >= deliverBase ? this.#arrival(code) : atMember(code);
    this.#steps.set(code, step);
    return step;
  }

  #arrival(code: Code): Step {
    const isCopy = code >= copyBase;
    const message = code - (isCopy ? copyBase : deliverBase);
    return {
      kind: isCopy ? "copy" : "deliver",
      slot: this.#messages.slotOf(message),
      choice: { type: "deliver", message: this.#messages.at(message) },
      message,
      cost: isCopy ? costOf("copies") : 0,
      effect: codeOfDelivery(message),
    };
  }
}

function atMember(code: Code): Step {
  const kind = kinds[code >> 8] ?? "timeout";
  const slot = (code >> 4) & 15;
  const argument = code & 15;
  const step = { kind, slot, message: undefined, effect: code };
  switch (kind) {
    case "timeout":
      return { ...step, choice: { type: kind }, cost: costOf("timeouts") };
    case "heartbeat":
      return { ...step, choice: { type: kind }, cost: costOf("heartbeats") };
    case "persist":
      return { ...step, choice: { type: kind }, cost: 0 };
    case "crash":
      return { ...step, choice: { type: kind }, cost: costOf("crashes") };
    case "wipe":
      return { ...step, choice: { type: kind }, cost: costOf("wipes") };
    case "write":
      return { ...step, choice: { type: kind, write: argument }, cost: costOf("writes") };
    case "read":
      return { ...step, choice: { type: kind, read: argument }, cost: costOf("reads") };
    case "transfer": {
      const to = memberIdOf(BigInt(argument + 1));
      return { ...step, choice: { type: kind, to }, cost: costOf("transfers") };
    }
  }
}

const costOf = (name: keyof SmallBudgets): number => 1 << (4 * budgetNames.indexOf(name));
