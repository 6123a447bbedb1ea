/*
 * Signed tokens (JWT) in place of simple ones: no member keeps them; whoever has the public key can check them. They say
 * which user, and the auth revision of their issue: after any change of users and roles they are too old.
 * Source: etcd v3 API, Auth, identity of a call; etcd configuration, auth-token.
 */
import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Credential } from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import type { CallTarget } from "./calls.ts";
import { durationMs } from "./durations.ts";
import type { CallOptions, OpenStream, StreamAnswers, UnaryAnswer } from "./seam.ts";

/** Loaded with the first token, as most members know simple ones alone. */
const jose = () => import("jose");

/** What `--auth-token` asks for. */
export type TokenOptions =
  | { readonly kind: "simple" }
  | {
      readonly kind: "jwt";
      readonly method: SignMethod;
      /** Files; "" when not given. */
      readonly publicKey: string;
      readonly privateKey: string;
      readonly ttlMs: number;
    };

const signMethods = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "HS256",
  "HS384",
  "HS512",
  "EdDSA",
] as const;
type SignMethod = (typeof signMethods)[number];

/** `simple`, or `jwt,sign-method=…,pub-key=…,priv-key=…,ttl=…`; undefined: neither. */
export function readTokenOptions(text: string): TokenOptions | undefined {
  const [kind, ...rest] = text.split(",");
  if (kind === "simple") return rest.length === 0 ? { kind } : undefined;
  if (kind !== "jwt") return undefined;
  const given = new Map<string, string>();
  for (const item of rest) {
    const equals = item.indexOf("=");
    const name = item.slice(0, equals);
    if (equals < 0 || given.has(name) || !["sign-method", "pub-key", "priv-key", "ttl"].includes(name))
      return undefined;
    given.set(name, item.slice(equals + 1));
  }
  const method = signMethods.find((known) => known === given.get("sign-method"));
  const ttlMs = durationMs(given.get("ttl") ?? "5m");
  if (method === undefined || ttlMs === undefined || ttlMs <= 0) return undefined;
  return {
    kind,
    method,
    publicKey: given.get("pub-key") ?? "",
    privateKey: given.get("priv-key") ?? "",
    ttlMs,
  };
}

export class SignedTokens {
  readonly #method: SignMethod;
  readonly #ttlMs: number;
  readonly #verifyKey: KeyObject;
  /** undefined: this member can only check. */
  readonly #signKey: KeyObject | undefined;

  /** @throws when a key file cannot be read, or holds no key */
  constructor(options: Extract<TokenOptions, { readonly kind: "jwt" }>) {
    this.#method = options.method;
    this.#ttlMs = options.ttlMs;
    if (options.method.startsWith("HS")) {
      this.#verifyKey = createSecretKey(readFileSync(options.privateKey));
      this.#signKey = this.#verifyKey;
      return;
    }
    this.#signKey = options.privateKey === "" ? undefined : createPrivateKey(readFileSync(options.privateKey));
    if (options.publicKey !== "") this.#verifyKey = createPublicKey(readFileSync(options.publicKey));
    else if (this.#signKey !== undefined) this.#verifyKey = createPublicKey(this.#signKey);
    else throw new Error("neither a public nor a private key is given");
  }

  /** undefined: this member can only check. */
  async sign(user: string, authRevision: number): Promise<string | undefined> {
    if (this.#signKey === undefined) return undefined;
    const expirySeconds = Math.floor((Date.now() + this.#ttlMs) / 1_000);
    const { SignJWT } = await jose();
    return new SignJWT({ username: user, revision: authRevision })
      .setProtectedHeader({ alg: this.#method, typ: "JWT" })
      .setExpirationTime(expirySeconds)
      .sign(this.#signKey);
  }

  async check(token: string): Promise<Credential> {
    const { jwtVerify } = await jose();
    try {
      const { payload } = await jwtVerify(token, this.#verifyKey, { algorithms: [this.#method] });
      const { username, revision } = payload;
      if (typeof username !== "string" || typeof revision !== "number" || !Number.isSafeInteger(revision)) {
        return { type: "invalid" };
      }
      return { type: "signed", user: username, authRevision: revision };
    } catch {
      return { type: "invalid" };
    }
  }
}

/** Checks the tokens of calls on their way in. Calls without one, and those to authenticate, pass as they are. */
export class TokenChecker implements CallTarget {
  readonly #target: CallTarget;
  readonly #tokens: SignedTokens;

  constructor(target: CallTarget, tokens: SignedTokens) {
    this.#target = target;
    this.#tokens = tokens;
  }

  unary(path: string, bytes: Uint8Array, options: CallOptions, to: UnaryAnswer): () => void {
    const { credential } = options;
    if (credential?.type !== "token" || path === unaryCalls.authenticate.path) {
      return this.#target.unary(path, bytes, options, to);
    }
    let given = false;
    let giveUp = (): void => {
      given = true;
    };
    void this.#tokens.check(credential.token).then((checked) => {
      if (!given) giveUp = this.#target.unary(path, bytes, { ...options, credential: checked }, to);
    });
    return () => giveUp();
  }

  open(path: string, options: CallOptions, to: StreamAnswers): OpenStream | undefined {
    const { credential } = options;
    if (credential?.type !== "token") return this.#target.open(path, options, to);
    let stream: OpenStream | undefined;
    let isChecked = false;
    // What the client says before its token is checked.
    const waiting: ((stream: OpenStream) => void)[] = [];
    const tell = (word: (stream: OpenStream) => void): void => {
      if (!isChecked) waiting.push(word);
      else if (stream !== undefined) word(stream);
    };
    void this.#tokens.check(credential.token).then((checked) => {
      stream = this.#target.open(path, { ...options, credential: checked }, to);
      isChecked = true;
      for (const word of waiting) tell(word);
    });
    return {
      message: (bytes) => tell((each) => each.message(bytes)),
      halfClosed: () => tell((each) => each.halfClosed()),
      gone: () => tell((each) => each.gone()),
    };
  }
}
