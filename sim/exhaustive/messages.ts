/*
 * Every message that was ever sent, each once and with a number: states name messages by it.
 */
import type { RaftMessage } from "../../core/index.ts";
import { type Canon, hashText, type Renaming } from "./canon.ts";
import { Lanes } from "./lanes.ts";

export class Messages {
  readonly #canon: Canon;
  readonly #renamings: readonly Renaming[];
  readonly #numbers = new Map<string, number>();
  readonly #all: RaftMessage[] = [];
  /** Positions of the receivers among the members. */
  readonly #slots: number[] = [];
  readonly #links: number[] = [];
  /** By message and renaming. */
  readonly hashes: Lanes;

  constructor(options: {
    readonly canon: Canon;
    readonly renamings: readonly Renaming[];
  }) {
    this.#canon = options.canon;
    this.#renamings = options.renamings;
    this.hashes = new Lanes(options.renamings.length);
  }

  get count(): number {
    return this.#all.length;
  }

  /** The same number for messages that say the same. */
  numberOf(message: RaftMessage): number {
    const text = this.#canon.textOf(message, this.#renamings[0] ?? []);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#all.length;
    this.#numbers.set(text, number);
    this.#all.push(message);
    this.#slots.push(Number(message.to) - 1);
    this.#links.push(Number(message.from) * 16 + Number(message.to));
    for (const renaming of this.#renamings) {
      const renamed = `message ${this.#canon.textOf(message, renaming)}`;
      this.hashes.push(hashText(renamed, 1), hashText(renamed, 2));
    }
    return number;
  }

  at(number: number): RaftMessage {
    const message = this.#all[number];
    if (message === undefined) throw new Error(`no message has the number ${number}`);
    return message;
  }

  /** Position of the receiver among the members. */
  slotOf(number: number): number {
    return this.#slots[number] as number;
  }

  /** The same for messages of one sender to one receiver, different for any others. */
  linkOf(number: number): number {
    return this.#links[number] as number;
  }
}
