/*
 * Who a call comes from: what its client showed, judged by what this member has applied. A simple token names the entry
 * that made it; until this member has applied that entry, it cannot tell a good token from a bad one, and the call waits.
 * Source: etcd v3 API, Auth, identity of a call.
 */
import type { Machine } from "../apply/machine.ts";
import { anonymous, type Credential, type Identity, memberItself } from "../auth/identity.ts";
import { indexOfToken } from "../auth/token-table.ts";
import type { MemberConfig } from "../config.ts";
import type { RefusalName } from "../errors.ts";

export type Identified =
  | { readonly type: "known"; readonly identity: Identity }
  | { readonly type: "refused"; readonly refusal: RefusalName }
  /** Ask again when the entry of that index is applied here. */
  | { readonly type: "later"; readonly index: number };

/** A call whose token is not known here yet. */
interface Parked {
  readonly index: number;
  readonly startedMs: number;
  readonly resume: () => void;
  readonly refuse: (refusal: RefusalName) => void;
}

/** Bounded by `proposalsMax` parked calls; each waits at most `requestTimeoutMs`. */
export class Gate {
  readonly #machine: Machine;
  readonly #config: MemberConfig;
  /** In order of arrival. */
  #parked: Parked[] = [];

  constructor(options: { readonly machine: Machine; readonly config: MemberConfig }) {
    this.#machine = options.machine;
    this.#config = options.config;
  }

  /** With auth off nobody is asked, and whatever was shown is passed over. */
  identify(credential: Credential | undefined, nowMs: number): Identified {
    const { auth, appliedIndex } = this.#machine;
    if (credential === undefined || !auth.enabled) return credential?.type === "member" ? theMember : nobody;
    switch (credential.type) {
      case "member":
        return theMember;
      case "invalid":
        return badToken;
      case "signed":
        return known(credential.user, credential.authRevision);
      case "certificate":
        return known(credential.user, auth.revision);
      case "token": {
        const index = this.#config.simpleTokens ? indexOfToken(credential.token) : undefined;
        if (index === undefined) return badToken;
        if (index > appliedIndex) return { type: "later", index };
        const user = auth.tokens.use(credential.token, nowMs);
        return user === undefined ? badToken : known(user, auth.revision);
      }
    }
  }

  /** Resumes the call when the entry of that index is applied, or refuses it when that takes too long. */
  park(call: Parked): void {
    if (this.#parked.length >= this.#config.proposalsMax) call.refuse("tooManyRequests");
    else this.#parked.push(call);
  }

  /** More entries were applied. */
  applied(): void {
    if (this.#parked.length === 0) return;
    const { appliedIndex } = this.#machine;
    const parked = this.#parked;
    this.#parked = parked.filter((call) => call.index > appliedIndex);
    for (const call of parked) {
      if (call.index <= appliedIndex) call.resume();
    }
  }

  tick(nowMs: number): void {
    if (this.#parked.length === 0) return;
    const startedMs = nowMs - this.#config.requestTimeoutMs;
    const parked = this.#parked;
    this.#parked = parked.filter((call) => call.startedMs > startedMs);
    for (const call of parked) {
      if (call.startedMs <= startedMs) call.refuse("invalidAuthToken");
    }
  }
}

const nobody: Identified = { type: "known", identity: anonymous };
const theMember: Identified = { type: "known", identity: memberItself };
const badToken: Identified = { type: "refused", refusal: "invalidAuthToken" };

const known = (name: string, authRevision: number): Identified => ({
  type: "known",
  identity: { type: "user", name, authRevision },
});
