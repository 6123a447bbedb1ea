/*
 * Simple tokens of one member: who showed a password lately. Every member learns of a token as it applies the entry that
 * made it, and forgets it in its own time: a use here prolongs it here alone. Nothing of this is stored; a restarted
 * member knows no token, and its clients authenticate anew. Source: etcd v3 API, Auth, identity of a call.
 */

interface Known {
  readonly user: string;
  expiryMs: number;
}

/** Bounded by `tokensMax`: beyond it the token unused for longest is forgotten. */
export class TokenTable {
  readonly #ttlMs: number;
  readonly #max: number;
  /** All live equally long from their last use, and each use moves a token to the end: what expires first is first. */
  readonly #known = new Map<string, Known>();

  constructor(options: { readonly ttlSeconds: number; readonly max: number }) {
    this.#ttlMs = options.ttlSeconds * 1_000;
    this.#max = options.max;
  }

  get count(): number {
    return this.#known.size;
  }

  assign(token: string, user: string, nowMs: number): void {
    this.#forgetExpired(nowMs);
    if (this.#known.size >= this.#max) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(token, { user, expiryMs: nowMs + this.#ttlMs });
  }

  /** Whose token it is, prolonging it; undefined when it is unknown or its time is over. */
  use(token: string, nowMs: number): string | undefined {
    const known = this.#known.get(token);
    if (known === undefined) return undefined;
    this.#known.delete(token);
    if (known.expiryMs <= nowMs) return undefined;
    known.expiryMs = nowMs + this.#ttlMs;
    this.#known.set(token, known);
    return known.user;
  }

  dropUser(user: string): void {
    for (const [token, known] of this.#known) {
      if (known.user === user) this.#known.delete(token);
    }
  }

  clear(): void {
    this.#known.clear();
  }

  #forgetExpired(nowMs: number): void {
    for (const [token, known] of this.#known) {
      if (known.expiryMs > nowMs) return;
      this.#known.delete(token);
    }
  }
}

/**
 * The index in a token's name; undefined when it has not the form of one. Until the entry of that index is applied here,
 * this member cannot know the token.
 */
export function indexOfToken(token: string): number | undefined {
  const index = /^[^.]*\.(\d{1,15})$/.exec(token)?.[1];
  return index === undefined ? undefined : Number(index);
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Sixteen letters nobody can guess. */
export function drawTokenPrefix(random: { below(bound: number): number }): string {
  let prefix = "";
  for (let length = 0; length < 16; length++) prefix += letters.charAt(random.below(letters.length));
  return prefix;
}
