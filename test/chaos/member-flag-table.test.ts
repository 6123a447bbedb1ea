/*
 * The whole table of etcd's flags: each one changes what a member does, or is refused with the reason and what to do
 * instead. None is passed over in silence.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FlagName, flagTable, formerFlags, goneFlags, isFlagName } from "../../chaos/member/flag-table.ts";
import { type FlagsRead, readFlags } from "../../chaos/member/flags.ts";
import { openLog } from "../../chaos/member/log.ts";
import { logRotationOf, RotatingFile } from "../../chaos/member/log-rotation.ts";

const names = Object.keys(flagTable).filter(isFlagName);
const read = (...argv: string[]): FlagsRead => readFlags(argv, {}, []);

/** A value that is not the standard one, where its kind alone does not give one. */
const otherValues: { readonly [Name in FlagName]?: string } = {
  "listen-peer-urls": "http://127.0.0.1:1",
  "listen-client-urls": "http://127.0.0.1:1",
  "listen-client-http-urls": "http://127.0.0.1:1",
  "listen-metrics-urls": "http://127.0.0.1:1",
  "initial-advertise-peer-urls": "http://127.0.0.1:1",
  "advertise-client-urls": "http://127.0.0.1:1",
  "initial-cluster": "default=http://127.0.0.1:1",
  "initial-cluster-state": "existing",
  "auto-compaction-mode": "revision",
  "auto-compaction-retention": "5",
  "auth-token": "jwt,sign-method=HS256,priv-key=f",
  "bcrypt-cost": "5",
  "election-timeout": "2000",
  "heartbeat-interval": "50",
  "log-level": "debug",
  "log-format": "console",
  "log-rotation-config-json": '{"maxsize": 1}',
  "tls-min-version": "TLS1.3",
  "tls-max-version": "TLS1.2",
  "cipher-suites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  metrics: "extensive",
  "feature-gates": "LeaseCheckpoint=true",
  "v2-deprecation": "gone",
  "peer-dial": "http://h:1=127.0.0.1:2",
};
/** What a flag needs beside it to mean anything. */
const companions: { readonly [Name in FlagName]?: readonly string[] } = {
  "cert-file": ["--key-file=k"],
  "key-file": ["--cert-file=c"],
  "client-cert-file": ["--client-key-file=k"],
  "client-key-file": ["--client-cert-file=c"],
  "peer-cert-file": ["--peer-key-file=k"],
  "peer-key-file": ["--peer-cert-file=c"],
  "peer-client-cert-file": ["--peer-client-key-file=k"],
  "peer-client-key-file": ["--peer-client-cert-file=c"],
  "listen-client-urls": ["--advertise-client-urls=http://localhost:2379"],
  "auto-compaction-mode": ["--auto-compaction-retention=5"],
  "discovery-srv-name": ["--discovery-srv=example"],
  "discovery-token": ["--discovery-endpoints=h:1"],
  "discovery-endpoints": ["--discovery-token=t"],
  ...Object.fromEntries(
    ["dial-timeout", "request-timeout", "keepalive-time", "keepalive-timeout", "cert", "key", "cacert"]
      .concat("insecure-transport", "insecure-skip-tls-verify")
      .map((flag) => [`discovery-${flag}`, ["--discovery-token=t", "--discovery-endpoints=h:1"]]),
  ),
  "discovery-user": ["--discovery-token=t", "--discovery-endpoints=h:1", "--discovery-password=p"],
  "discovery-password": ["--discovery-token=t", "--discovery-endpoints=h:1", "--discovery-user=u:q"],
  "enable-log-rotation": ["--log-outputs=f"],
  "compact-hash-check-time": ["--feature-gates=CompactHashCheck=true"],
  "experimental-enable-lease-checkpoint-persist": ["--experimental-enable-lease-checkpoint"],
  "log-rotation-config-json": ["--log-outputs=f", "--enable-log-rotation"],
};
/** Flags whose other value is what is done anyway, with the reason. */
const alwaysSo: { readonly [Name in FlagName]?: string } = {
  "socket-reuse-address": "the runtime always listens so",
  "v2-deprecation": "there is no old store in any stage",
  "config-file": "its own tests",
  "max-snapshots": "none are kept, so it always holds",
  "max-wals": "none are kept that no recovery needs",
  "backend-bbolt-freelist-type": "there is no bbolt",
  "experimental-enable-lease-checkpoint-persist": "what checkpoints say is always kept",
};

function otherValue(name: FlagName): string {
  const { kind, standard } = flagTable[name];
  const chosen = otherValues[name];
  if (chosen !== undefined) return chosen;
  if (kind === "switch") return standard === "true" ? "false" : "true";
  if (kind === "whole") return String(Number(standard) + 7);
  return kind === "duration" ? "7m" : "other";
}

describe("every flag", () => {
  for (const name of names.filter((each) => flagTable[each].support === "used" && alwaysSo[each] === undefined)) {
    test(`--${name} changes what is read`, () => {
      const beside = companions[name] ?? [];
      const changed = read(...beside, `--${name}=${otherValue(name)}`);
      if (changed.kind !== "start") throw new Error(`refused: ${JSON.stringify(changed)}`);
      // Half a pair is refused, so a pair is compared with none.
      const isHalf = /(^|-)(cert|key)-file$|^discovery-(token|endpoints)$/.test(name);
      const plain = read(...(isHalf ? [] : beside));
      if (plain.kind !== "start") throw new Error(`refused: ${JSON.stringify(plain)}`);
      const { explicit: _one, ...after } = changed.flags;
      const { explicit: _other, ...before } = plain.flags;
      expect(after).not.toEqual(before);
    });
  }

  for (const name of names.filter((each) => flagTable[each].support === "fixed")) {
    test(`--${name} takes its standard value, and refuses another with a reason`, () => {
      const { standard, kind, meaning } = flagTable[name];
      expect(read(`--${name}=${standard}`).kind).toBe("start");
      const value = otherValue(name);
      expect(read(`--${name}=${value}`)).toEqual({
        kind: "refuse",
        error: `--${name}=${value} is not supported by this member: ${meaning}`,
      });
      expect([kind, meaning.length > 20]).toEqual([kind, true]);
    });
  }

  test("has a meaning in the help text, or stands among those accepted with etcd's default", () => {
    const help = read("--help");
    const text = help.kind === "print" ? help.stdout : "";
    for (const name of names) expect(text).toContain(name);
  });

  test("that lost its prefix in 3.6 is taken under its old name, not under both", () => {
    expect(Object.keys(formerFlags).length).toBeGreaterThan(10);
    for (const [former, name] of Object.entries(formerFlags)) {
      const value = flagTable[name].standard;
      expect([former, read(`--${former}=${value}`).kind]).toEqual([former, "start"]);
      expect(read(`--${former}=${value}`, `--${name}=${value}`)).toMatchObject({
        kind: "refuse",
        error: expect.stringContaining(`and --${name} at the same time`),
      });
    }
  });

  test("that is gone is refused with what to do about it", () => {
    for (const [gone, remedy] of Object.entries(goneFlags)) {
      expect(read(`--${gone}`)).toMatchObject({ kind: "print", exitCode: 2, stderr: expect.stringContaining(remedy) });
    }
  });
});

test("other programs of etcd's binary are refused by name", () => {
  for (const word of ["gateway", "grpc-proxy"]) {
    expect(read(word, "start")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`etcd ${word} is not part of this program`),
    });
  }
});

describe("refused combinations", () => {
  const refusal = (...argv: string[]): string => {
    const result = read(...argv);
    return result.kind === "refuse" ? result.error : `not refused: ${JSON.stringify(result)}`;
  };
  test("one URL for gRPC and for HTTP", () => {
    expect(refusal("--listen-client-http-urls=http://localhost:2379")).toBe(
      "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url http://localhost:2379",
    );
  });
  test("values out of a short list", () => {
    expect(refusal("--metrics=some")).toContain("--metrics is basic or extensive");
    expect(refusal("--log-format=xml")).toContain("--log-format is json or console");
    expect(refusal("--v2-deprecation=soon")).toContain("--v2-deprecation is one of");
    expect(refusal("--backend-bbolt-freelist-type=tree")).toContain("is array or map");
    expect(refusal("--log-level=loud")).toBe('unrecognized level: "loud"');
  });
  test("rotation without a file, or with a configuration that is none", () => {
    expect(refusal("--enable-log-rotation")).toContain("--log-outputs requires a single file path");
    const file = ["--enable-log-rotation", "--log-outputs=f"];
    expect(refusal(...file, "--log-rotation-config-json={")).toContain("invalid log rotation config");
    expect(refusal(...file, '--log-rotation-config-json={"maxsize": "x"}')).toContain("maxsize must be a whole number");
    expect(refusal(...file, '--log-rotation-config-json={"size": 1}')).toContain("there is no size");
  });
});

describe("logs", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "faultline-logs-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("in console form are parted by tabs, and their level is a floor", () => {
    const path = join(directory, "console.log");
    const log = openLog({ level: "warn", outputs: [path], format: "console" });
    log.info("not this");
    log.warn("this", { field: 1 });
    expect(readFileSync(path, "utf8")).toMatch(
      /^\d{4}-[^\t]*\twarn\tchaos\/member-flag-table\.test\.ts:\d+\tthis\t\{"field":1\}\n$/,
    );
  });

  test("in JSON have zap's order: what it is, when, where from, what, then the rest", () => {
    const path = join(directory, "order.log");
    openLog({ level: "info", outputs: [path] }).info("hello", { field: 1, logger: "raft" });
    const line = JSON.parse(readFileSync(path, "utf8"));
    expect(Object.keys(line)).toEqual(["level", "ts", "logger", "caller", "msg", "field"]);
    expect(line).toMatchObject({ logger: "raft", msg: "hello", caller: expect.stringMatching(/^chaos\/.*\.ts:\d+$/) });
  });

  test("go to every output that is named", () => {
    const paths = [join(directory, "a.log"), join(directory, "b.log")];
    openLog({ level: "info", outputs: paths }).info("twice");
    for (const path of paths)
      expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ level: "info", msg: "twice" });
  });

  test("set aside when they are full, as many as are wanted, packed on demand", () => {
    const path = join(directory, "rotated.log");
    const rotation = logRotationOf('{"maxsize": 1, "maxbackups": 2, "compress": true}');
    if (typeof rotation === "string") throw new Error(rotation);
    let seconds = 0;
    const file = new RotatingFile(path, rotation, () => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds++)));
    const line = `${"x".repeat(400_000)}\n`;
    for (let count = 0; count < 9; count++) file.write(line);
    file.close();
    const aside = readdirSync(directory).filter((name) => name.startsWith("rotated-"));
    expect(aside).toHaveLength(2);
    for (const name of aside) {
      expect(name).toMatch(/^rotated-2026-01-01T00-00-\d\d\.\d{3}\.log\.gz$/);
      expect(gunzipSync(readFileSync(join(directory, name))).length).toBe(2 * line.length);
    }
    expect(statSync(path).size).toBe(line.length);
  });

  test("set aside go when they are too old; other files stay", () => {
    const path = join(directory, "aged.log");
    const rotation = logRotationOf('{"maxsize": 1, "maxage": 2}');
    if (typeof rotation === "string") throw new Error(rotation);
    let day = 1;
    const file = new RotatingFile(path, rotation, () => new Date(Date.UTC(2026, 0, day)));
    const line = `${"x".repeat(700_000)}\n`;
    openLog({ level: "info", outputs: [join(directory, "aged-other.log")] }).info("stays");
    for (; day <= 8; day++) file.write(line);
    file.close();
    const aside = readdirSync(directory).filter((name) => name.startsWith("aged-"));
    expect(aside).toContain("aged-other.log");
    expect(aside.filter((name) => name.startsWith("aged-2026"))).toEqual([
      "aged-2026-01-06T00-00-00.000.log",
      "aged-2026-01-07T00-00-00.000.log",
      "aged-2026-01-08T00-00-00.000.log",
    ]);
  });
});
