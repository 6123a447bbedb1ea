/*
 * Passwords and signed tokens of a real member, below the member itself.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CallTarget } from "../../chaos/member/calls.ts";
import { Passwords } from "../../chaos/member/passwords.ts";
import type { CallOptions, UnaryAnswer } from "../../chaos/member/seam.ts";
import { readTokenOptions, SignedTokens, TokenChecker } from "../../chaos/member/signed-tokens.ts";
import { requestIdOf } from "../../core/index.ts";

describe("passwords", () => {
  test("are hashed with a salt and checked, one after the other, in the order they came", async () => {
    const reported: string[] = [];
    let hashed = "";
    await new Promise<void>((resolve) => {
      const passwords = new Passwords({
        cost: 4,
        onHashed(requestId, hash) {
          reported.push(`hashed ${requestId}`);
          if (requestId === requestIdOf(1)) hashed = hash;
          else {
            expect(hash).not.toBe(hashed);
            passwords.check(requestIdOf(3), "secret", hashed);
            passwords.check(requestIdOf(4), "other", hashed);
            passwords.check(requestIdOf(5), "secret", "no hash");
          }
        },
        onChecked(requestId, matches) {
          reported.push(`${requestId} ${matches}`);
          if (requestId === requestIdOf(5)) resolve();
        },
      });
      passwords.hash(requestIdOf(1), "secret");
      passwords.hash(requestIdOf(2), "secret");
    });
    expect(hashed).toMatch(/^\$2[aby]\$04\$/);
    expect(reported).toEqual(["hashed 1", "hashed 2", "3 true", "4 false", "5 false"]);
  });

  test("hashed by a stock etcd are known here", async () => {
    const hash = "$2a$04$nrdC25g25q54XZBX1zOmlu3J311igMwVJcsxFsDnw3Jnl.yZOZzLq";
    const found: boolean[] = [];
    await new Promise<void>((resolve) => {
      const passwords = new Passwords({
        cost: 4,
        onHashed: () => {},
        onChecked: (_requestId, matches) => {
          if (found.push(matches) === 2) resolve();
        },
      });
      passwords.check(requestIdOf(1), "secret", hash);
      passwords.check(requestIdOf(2), "Secret", hash);
    });
    expect(found).toEqual([true, false]);
  });
});

describe("--auth-token", () => {
  test("is simple, or names a method and its keys", () => {
    expect(readTokenOptions("simple")).toEqual({ kind: "simple" });
    expect(readTokenOptions("jwt,sign-method=RS256,pub-key=a.pem,priv-key=b.pem,ttl=10m")).toEqual({
      kind: "jwt",
      method: "RS256",
      publicKey: "a.pem",
      privateKey: "b.pem",
      ttlMs: 600_000,
    });
    expect(readTokenOptions("jwt,sign-method=EdDSA,priv-key=b.pem")).toMatchObject({ ttlMs: 300_000, publicKey: "" });
  });

  test("is refused when it is anything else", () => {
    for (const text of [
      "",
      "simple,x=y",
      "jwt",
      "jwt,sign-method=none,priv-key=b.pem",
      "jwt,sign-method=RS256,color=red",
      "jwt,sign-method=RS256,ttl=0s",
      "jwt,sign-method=RS256,ttl=soon",
      "jwt,sign-method=RS256,sign-method=RS384",
      "paper",
    ]) {
      expect(readTokenOptions(text)).toBeUndefined();
    }
  });
});

describe("signed tokens", () => {
  let directory: string;
  const file = (name: string, content: string | Buffer): string => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "faultline-tokens-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const pairs = {
    RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: () => generateKeyPairSync("ed25519"),
  } as const;

  for (const method of ["RS256", "PS256", "ES256", "EdDSA"] as const) {
    test(`by ${method} say who it is, and are checked by a member with the public key alone`, async () => {
      const { publicKey, privateKey } = pairs[method]();
      const publicFile = file(`${method}.pub`, publicKey.export({ type: "spki", format: "pem" }));
      const privateFile = file(`${method}.key`, privateKey.export({ type: "pkcs8", format: "pem" }));
      const signer = new SignedTokens({ kind: "jwt", method, publicKey: "", privateKey: privateFile, ttlMs: 60_000 });
      const checker = new SignedTokens({ kind: "jwt", method, publicKey: publicFile, privateKey: "", ttlMs: 60_000 });
      const token = (await signer.sign("u", 7)) ?? "";
      expect(await checker.check(token)).toEqual({ type: "signed", user: "u", authRevision: 7 });
      expect(await checker.sign("u", 7)).toBeUndefined();
      expect(await checker.check(`${token.slice(0, -4)}AAAA`)).toEqual({ type: "invalid" });
      const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${token.split(".")[1]}.`;
      expect(await checker.check(unsigned)).toEqual({ type: "invalid" });
    });
  }

  test("by a shared secret work alike, and end with their time", async () => {
    const secret = { publicKey: "", privateKey: file("secret", "s".repeat(32)) };
    const tokens = new SignedTokens({ kind: "jwt", method: "HS256", ...secret, ttlMs: 60_000 });
    expect(await tokens.check((await tokens.sign("u", 1)) ?? "")).toMatchObject({ type: "signed", user: "u" });
    const late = new SignedTokens({ kind: "jwt", method: "HS256", ...secret, ttlMs: -60_000 });
    expect(await tokens.check((await late.sign("u", 1)) ?? "")).toEqual({ type: "invalid" });
    const other = new SignedTokens({ kind: "jwt", method: "HS512", ...secret, ttlMs: 60_000 });
    expect(await tokens.check((await other.sign("u", 1)) ?? "")).toEqual({ type: "invalid" });
  });

  test("without any key cannot be served", () => {
    const none = { kind: "jwt", method: "RS256", publicKey: "", privateKey: "", ttlMs: 1 } as const;
    expect(() => new SignedTokens(none)).toThrow("neither a public nor a private key");
  });

  test("are checked before a call or a stream goes on, whose words wait meanwhile in their order", async () => {
    const secret = { publicKey: "", privateKey: file("secret2", "t".repeat(32)) };
    const tokens = new SignedTokens({ kind: "jwt", method: "HS256", ...secret, ttlMs: 60_000 });
    const heard: unknown[] = [];
    const target: CallTarget = {
      unary(path, _bytes, options) {
        heard.push([path, options.credential]);
        return () => heard.push("gave up");
      },
      open(path, options) {
        heard.push([path, options.credential]);
        return {
          message: (bytes) => heard.push(bytes[0]),
          halfClosed: () => heard.push("half"),
          gone: () => heard.push("gone"),
        };
      },
    };
    const checker = new TokenChecker(target, tokens);
    const token = (await tokens.sign("u", 3)) ?? "";
    const good: CallOptions = { requireLeader: false, credential: { type: "token", token } };
    const bad: CallOptions = { requireLeader: false, credential: { type: "token", token: "x.1" } };
    const to: UnaryAnswer = { answer: () => {}, fail: () => {} };
    const settled = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 50));
    const giveUp = checker.unary("/a", new Uint8Array(), good, to);
    await settled();
    giveUp();
    checker.unary("/b", new Uint8Array(), bad, to);
    checker.unary("/never", new Uint8Array(), good, to)();
    await settled();
    const stream = checker.open("/s", good, { send: () => {}, end: () => {} });
    stream?.message(Uint8Array.of(1));
    stream?.message(Uint8Array.of(2));
    stream?.halfClosed();
    await settled();
    stream?.gone();
    expect(heard).toEqual([
      ["/a", { type: "signed", user: "u", authRevision: 3 }],
      "gave up",
      ["/b", { type: "invalid" }],
      ["/s", { type: "signed", user: "u", authRevision: 3 }],
      1,
      2,
      "half",
      "gone",
    ]);
  });
});
