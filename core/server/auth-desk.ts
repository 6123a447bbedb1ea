/*
 * The calls of the Auth service. Those with a password take a way round through the world, because hashing is slow:
 *
 *   userAdd, userChangePassword   ─▶ hashPassword ─▶ proposal with the hash
 *   authenticate  ─ read index ─▶ checkPassword ─▶ proposal of a token ─▶ answer
 *                                       └── users or roles changed meanwhile: checked again ──┘
 *
 * The proposal of a token says at which auth revision its password was checked, and is refused when another was reached
 * first. Counterexample without: the password is changed while the old one is being checked; the check succeeds against
 * the old hash, and the thief has a token that outlives the change.
 */

import type { AuthStore } from "../auth/auth-store.ts";
import type { AuthChange } from "../auth/change.ts";
import { anonymous, type Identity } from "../auth/identity.ts";
import { drawTokenPrefix } from "../auth/token-table.ts";
import type { MemberConfig } from "../config.ts";
import type { RequestId, Revision } from "../ids.ts";
import type { Random } from "../ports.ts";
import type { AuthAnswer, AuthRequest } from "../request.ts";
import type { Outbox } from "./outbox.ts";
import type { Proposals, Settled } from "./proposals.ts";

type Read = Extract<
  AuthRequest,
  { readonly type: "authStatus" | "userGet" | "userList" | "roleGet" | "roleList" | "authenticate" }
>;
type Login = Extract<AuthRequest, { readonly type: "authenticate" }>;
type WithPassword = Extract<AuthRequest, { readonly type: "userAdd" | "userChangePassword" }>;

type PasswordCall =
  | {
      readonly type: "hash";
      readonly request: WithPassword;
      readonly identity: Identity;
      readonly startedMs: number;
    }
  | {
      readonly type: "login";
      readonly request: Login;
      readonly startedMs: number;
      /** The revision the check under way, or the last one, was made at. */
      checkedRevision: number;
      proposed: boolean;
    };

interface AuthDeskOptions {
  readonly machine: { readonly auth: AuthStore; readonly store: { readonly currentRevision: Revision } };
  readonly config: MemberConfig;
  readonly outbox: Outbox;
  readonly proposals: Proposals;
  /** Draws the secret part of tokens. */
  readonly random: Random;
}

/** Bounded by `passwordCallsMax`; each call lives at most `requestTimeoutMs`. */
export class AuthDesk {
  readonly #options: AuthDeskOptions;
  readonly #calls = new Map<RequestId, PasswordCall>();

  constructor(options: AuthDeskOptions) {
    this.#options = options;
  }

  /** Proposes the change, once its password is hashed. */
  write(requestId: RequestId, request: Exclude<AuthRequest, Read>, identity: Identity, nowMs: number): void {
    switch (request.type) {
      case "userAdd":
        if (request.noPassword) {
          const { name } = request;
          this.#propose(requestId, { type: "userAdd", name, passwordHash: "", noPassword: true }, identity, nowMs);
        } else this.#hash(requestId, request, identity, nowMs);
        return;
      case "userChangePassword":
        this.#hash(requestId, request, identity, nowMs);
        return;
      default:
        this.#propose(requestId, request, identity, nowMs);
    }
  }

  /** Answers from what this member has applied, or has the password checked. */
  serve(requestId: RequestId, request: Read, nowMs: number): void {
    const { auth } = this.#options.machine;
    switch (request.type) {
      case "authStatus":
        this.#answer(requestId, { type: "authStatus", enabled: auth.enabled, authRevision: auth.revision });
        return;
      case "userGet": {
        const user = auth.user(request.name);
        if (user === undefined) this.#options.outbox.refuse(requestId, "userNotFound");
        else this.#answer(requestId, { type: "userGet", roles: user.roles });
        return;
      }
      case "userList":
        this.#answer(requestId, { type: "userList", names: auth.userNames });
        return;
      case "roleGet": {
        const permissions = auth.permissionsOf(request.role);
        if (permissions === undefined) this.#options.outbox.refuse(requestId, "roleNotFound");
        else this.#answer(requestId, { type: "roleGet", permissions });
        return;
      }
      case "roleList":
        this.#answer(requestId, { type: "roleList", names: auth.roleNames });
        return;
      case "authenticate": {
        if (this.#isFull(requestId)) return;
        const call: PasswordCall = { type: "login", request, startedMs: nowMs, checkedRevision: 0, proposed: false };
        this.#calls.set(requestId, call);
        this.#check(requestId, call);
        return;
      }
    }
  }

  passwordHashed(requestId: RequestId, hash: string, nowMs: number): void {
    const call = this.#calls.get(requestId);
    if (call?.type !== "hash") return;
    this.#calls.delete(requestId);
    const { request, identity } = call;
    const { name } = request;
    const change: AuthChange =
      request.type === "userAdd"
        ? { type: "userAdd", name, passwordHash: hash, noPassword: false }
        : { type: "userChangePassword", name, passwordHash: hash };
    this.#propose(requestId, change, identity, nowMs);
  }

  passwordChecked(requestId: RequestId, matches: boolean, nowMs: number): void {
    const call = this.#calls.get(requestId);
    if (call?.type !== "login" || call.proposed) return;
    const { machine, config, random, proposals } = this.#options;
    const { checkedRevision } = call;
    if (checkedRevision !== machine.auth.revision) {
      this.#check(requestId, call);
      return;
    }
    if (!matches) {
      this.#end(requestId, "authFailed");
      return;
    }
    const tokenPrefix = config.simpleTokens ? drawTokenPrefix(random) : "";
    const change: AuthChange = { type: "authenticate", name: call.request.name, tokenPrefix, checkedRevision };
    const refusal = proposals.propose({ type: "auth", change }, { requestId, nowMs, identity: anonymous });
    if (refusal === undefined) call.proposed = true;
    else this.#end(requestId, refusal);
  }

  /** True when the result is not the answer: the password has to be checked again. */
  settled({ requestId, result }: Settled): boolean {
    if (this.#calls.size === 0) return false;
    const call = this.#calls.get(requestId);
    if (call?.type !== "login") return false;
    if (!result.ok && result.refusal === "authOldRevision") {
      call.proposed = false;
      this.#check(requestId, call);
      return true;
    }
    this.#calls.delete(requestId);
    return false;
  }

  /** The client no longer waits. */
  forget(requestId: RequestId): void {
    this.#calls.delete(requestId);
  }

  tick(nowMs: number): void {
    for (const [requestId, call] of this.#calls) {
      if (nowMs - call.startedMs < this.#options.config.requestTimeoutMs) return;
      // A proposal runs out of time by itself.
      if (call.type === "hash" || !call.proposed) this.#end(requestId, "timedOut");
    }
  }

  #hash(requestId: RequestId, request: WithPassword, identity: Identity, nowMs: number): void {
    if (this.#isFull(requestId)) return;
    this.#calls.set(requestId, { type: "hash", request, identity, startedMs: nowMs });
    this.#options.outbox.push({ type: "hashPassword", requestId, password: request.password });
  }

  #check(requestId: RequestId, call: Extract<PasswordCall, { readonly type: "login" }>): void {
    const { auth } = this.#options.machine;
    const { name, password } = call.request;
    if (!auth.enabled) {
      this.#end(requestId, "authNotEnabled");
      return;
    }
    const user = auth.user(name);
    if (user === undefined) {
      this.#end(requestId, "authFailed");
      return;
    }
    if (user.noPassword) {
      this.#end(requestId, "authNoPassword");
      return;
    }
    call.checkedRevision = auth.revision;
    this.#options.outbox.push({ type: "checkPassword", requestId, password, hash: user.passwordHash });
  }

  #propose(requestId: RequestId, change: AuthChange, identity: Identity, nowMs: number): void {
    const refusal = this.#options.proposals.propose({ type: "auth", change }, { requestId, nowMs, identity });
    if (refusal !== undefined) this.#options.outbox.refuse(requestId, refusal);
  }

  #answer(requestId: RequestId, answer: AuthAnswer): void {
    this.#options.outbox.answer(requestId, this.#options.machine.store.currentRevision, answer);
  }

  #end(requestId: RequestId, refusal: Parameters<Outbox["refuse"]>[1]): void {
    this.#calls.delete(requestId);
    this.#options.outbox.refuse(requestId, refusal);
  }

  #isFull(requestId: RequestId): boolean {
    if (this.#calls.size < this.#options.config.passwordCallsMax) return false;
    this.#options.outbox.refuse(requestId, "tooManyRequests");
    return true;
  }
}

/** Calls that change nothing; the first step of authenticating is one of them. */
export function isAuthRead(request: AuthRequest): request is Read {
  switch (request.type) {
    case "authStatus":
    case "userGet":
    case "userList":
    case "roleGet":
    case "roleList":
    case "authenticate":
      return true;
    default:
      return false;
  }
}
