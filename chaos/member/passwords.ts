/*
 * Passwords of etcd users: bcrypt, on a thread of the runtime's own pool, one at a time. More at once would take the
 * cores from the member, whose peers would then think it dead; and whoever guesses passwords shall not get more than one.
 * The native library is loaded with the first password.
 */
import type { RequestId } from "../../core/index.ts";

const bcrypt = () => import("@node-rs/bcrypt");

export interface PasswordsOptions {
  /** Binary logarithm of the rounds. */
  readonly cost: number;
  readonly onHashed: (requestId: RequestId, hash: string) => void;
  readonly onChecked: (requestId: RequestId, matches: boolean) => void;
}

/** The member bounds what waits here (`passwordCallsMax`). */
export class Passwords {
  readonly #options: PasswordsOptions;
  readonly #waiting: (() => Promise<void>)[] = [];
  #busy = false;
  #stopped = false;

  constructor(options: PasswordsOptions) {
    this.#options = options;
  }

  hash(requestId: RequestId, password: string): void {
    this.#enqueue(async () => {
      const { hash } = await bcrypt();
      const text = await hash(password, this.#options.cost);
      if (!this.#stopped) this.#options.onHashed(requestId, text);
    });
  }

  check(requestId: RequestId, password: string, hashed: string): void {
    this.#enqueue(async () => {
      const { verify } = await bcrypt();
      // What is no hash matches no password.
      const matches = await verify(password, hashed).catch(() => false);
      if (!this.#stopped) this.#options.onChecked(requestId, matches);
    });
  }

  /** Nothing is reported from now on. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.splice(0);
  }

  #enqueue(work: () => Promise<void>): void {
    this.#waiting.push(work);
    if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await next();
    this.#busy = false;
  }
}
