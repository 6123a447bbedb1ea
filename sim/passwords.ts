/*
 * Passwords in the simulated world: hashed with a salt and slowly, like real ones, but by a function of the seed and of
 * how much was asked before, so that a run can be repeated. Nothing about it is secret.
 */
import type { Input } from "../core/index.ts";
import type { PasswordWork } from "./host-world.ts";
import { combine32 } from "./random.ts";

/** What the member is told, but for the time. */
export type PasswordResult =
  | Omit<Extract<Input, { readonly type: "passwordHashed" }>, "nowMs">
  | Omit<Extract<Input, { readonly type: "passwordChecked" }>, "nowMs">;

/** Shortest time one takes, and how much longer it may take: bcrypt's, in thousandths of a millisecond. */
const workUs = { least: 40_000, spread: 60_000 };

export class SimPasswords {
  readonly #seed: number;
  #done = 0;

  constructor(seed: number) {
    this.#seed = combine32(seed, 0x5a17);
  }

  /** The result, and when it is there. */
  work(work: PasswordWork): { readonly afterUs: number; readonly result: PasswordResult } {
    this.#done += 1;
    const drawn = combine32(this.#seed, this.#done);
    const afterUs = workUs.least + (drawn % workUs.spread);
    const { requestId, password } = work;
    if (work.type === "hashPassword") {
      const hash = hashOf(password, drawn.toString(16));
      return { afterUs, result: { type: "passwordHashed", requestId, hash } };
    }
    const salt = work.hash.split("$")[1] ?? "";
    return { afterUs, result: { type: "passwordChecked", requestId, matches: hashOf(password, salt) === work.hash } };
  }
}

/** `sim$salt$digest`. */
function hashOf(password: string, salt: string): string {
  let digest = 1;
  for (const character of `${salt}/${password}`) digest = combine32(digest, character.codePointAt(0) ?? 0);
  return `sim$${salt}$${digest.toString(16)}`;
}
