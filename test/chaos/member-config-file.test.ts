/*
 * etcd's configuration file: what its keys mean, what is passed over with a warning, and what is refused by key and line.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configOf } from "../../chaos/member/config-file.ts";
import { FlagProblem } from "../../chaos/member/flag-problem.ts";
import { type FlagsRead, type MemberFlags, readFlags } from "../../chaos/member/flags.ts";

const given = (text: string): { readonly [flag: string]: string } => Object.fromEntries(configOf(text, "f.yml").given);
const warnings = (text: string): readonly string[] => configOf(text, "f.yml").warnings;
function refusal(text: string): string {
  try {
    return `not refused: ${JSON.stringify(given(text))}`;
  } catch (error) {
    if (error instanceof FlagProblem && error.result.kind === "refuse") return error.result.error;
    throw error;
  }
}

describe("keys", () => {
  test("are names of flags, their values those of the command line", () => {
    expect(
      given(
        "name: m1\nheartbeat-interval: 50\npre-vote: false\nlisten-client-urls: http://127.0.0.1:1,http://127.0.0.1:2\nquota-backend-bytes: -1\n",
      ),
    ).toEqual({
      name: "m1",
      "heartbeat-interval": "50",
      "pre-vote": "false",
      "listen-client-urls": "http://127.0.0.1:1,http://127.0.0.1:2",
      "quota-backend-bytes": "-1",
    });
  });

  test("are the same in JSON", () => {
    expect(given('{"name": "m1", "max-txn-ops": 7, "log-outputs": ["stderr", "stdout"]}')).toEqual({
      name: "m1",
      "max-txn-ops": "7",
      "log-outputs": "stderr,stdout",
    });
  });

  test("of durations hold nanoseconds, or a time as on the command line", () => {
    expect(given("grpc-keepalive-timeout: 20000000000\nbackend-batch-interval: 50ms\n")).toEqual({
      "grpc-keepalive-timeout": "20000000000ns",
      "backend-batch-interval": "50ms",
    });
  });

  test("of TLS stand in two maps", () => {
    expect(
      given(
        "client-transport-security:\n  cert-file: c\n  key-file: k\n  client-cert-auth: true\n  allowed-hostname: [a, b]\npeer-transport-security:\n  trusted-ca-file: ca\n  allowed-cn: [m]\n  auto-tls: true\n",
      ),
    ).toEqual({
      "cert-file": "c",
      "key-file": "k",
      "client-cert-auth": "true",
      "client-cert-allowed-hostname": "a,b",
      "peer-trusted-ca-file": "ca",
      "peer-cert-allowed-cn": "m",
      "peer-auto-tls": "true",
    });
  });

  test("without a value count as absent, and an empty file is a whole one", () => {
    expect(given("name:\ndata-dir: ~\nclient-transport-security:\n")).toEqual({});
    expect(given("")).toEqual({});
    expect(given("# nothing\n")).toEqual({});
  });

  test("nobody knows are passed over, by line", () => {
    expect(warnings("name: m\nno-such: 1\npeer-transport-security:\n  ca: x\n")).toEqual([
      'f.yml:2: "no-such" is passed over: no such key',
      'f.yml:4: "peer-transport-security.ca" is passed over: no such key',
    ]);
    expect(warnings("cert-file: c\n")).toEqual([
      'f.yml:1: "cert-file" is passed over: it belongs below client-transport-security',
    ]);
  });
});

describe("refusals", () => {
  test("a value of the wrong type is named with its key and line", () => {
    expect(refusal("name: m\nheartbeat-interval: fast\n")).toBe(
      'f.yml:2: "heartbeat-interval" must be a whole number, not the text "fast"',
    );
    expect(refusal("pre-vote: 'yes'\n")).toBe('f.yml:1: "pre-vote" must be true or false, not the text "yes"');
    expect(refusal("auto-compaction-retention: 1\n")).toBe(
      'f.yml:1: "auto-compaction-retention" must be a text (put it in quotes), not number 1',
    );
    expect(refusal("listen-peer-urls: [http://127.0.0.1:1]\n")).toBe(
      'f.yml:1: "listen-peer-urls" must be one text, its items joined by commas, not a list',
    );
    expect(refusal("client-transport-security: yes\n")).toBe(
      'f.yml:1: "client-transport-security" must be a map of keys to values, not the text "yes"',
    );
    expect(refusal("watch-progress-notify-interval: soon\n")).toContain("f.yml:1:");
    expect(refusal("initial-cluster-state: old\n")).toContain('unexpected clusterState "old"');
  });

  test("what is no YAML is named with its line", () => {
    expect(refusal("name: m\n  data-dir: [\n")).toMatch(/^f\.yml:\d+: /);
    expect(refusal("- a\n- b\n")).toBe("f.yml:1: a configuration file is a map of keys to values");
  });
});

describe("beside other sources", () => {
  let directory: string;
  let path: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "faultline-config-"));
    path = join(directory, "etcd.yml");
    writeFileSync(path, "name: filed\nelection-timeout: 2000\nno-such: 1\n");
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const start = (argv: string[], environment = {}): Extract<FlagsRead, { kind: "start" }> => {
    const result = readFlags(argv, environment, []);
    if (result.kind !== "start") throw new Error(JSON.stringify(result));
    return result;
  };

  test("the file counts alone, and says what it passes over", () => {
    const { flags, warnings: said } = start(["--config-file", path, "--name", "flagged"], {
      ETCD_DATA_DIR: "/elsewhere",
    });
    expect(flags satisfies MemberFlags).toMatchObject({
      name: "filed",
      dataDirectory: "filed.etcd",
      electionTimeoutMs: 2_000,
    });
    expect(said[0]).toContain("environment variables will be ignored if provided: --name");
    expect(said[1]).toBe(`${path}:3: "no-such" is passed over: no such key`);
  });

  test("a variable may name it", () => {
    expect(start([], { ETCD_CONFIG_FILE: path, ETCD_NAME: "env" }).flags.name).toBe("filed");
  });

  test("a file that is not there ends the start by name", () => {
    const absent = join(directory, "absent.yml");
    expect(readFlags(["--config-file", absent], {}, [])).toEqual({
      kind: "refuse",
      error: `open ${absent}: no such file or directory`,
    });
  });

  test("what is not supported is refused from a file too", () => {
    const discovery = join(directory, "discovery.yml");
    writeFileSync(discovery, "discovery: http://d/1\n");
    expect(readFlags(["--config-file", discovery], {}, [])).toMatchObject({
      kind: "refuse",
      error: expect.stringContaining("--discovery=http://d/1"),
    });
  });
});
