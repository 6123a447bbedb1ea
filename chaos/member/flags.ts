/*
 * etcd's command line and environment → what a member needs to start, or the words and the exit code of a refusal.
 * Nothing here touches the disk or the network. Texts are etcd's: operators and scripts know them.
 * Source: etcd configuration, §1 sources, §2 flags, §5 validation.
 */
import { isIP } from "node:net";
import { checkMemberConfig, defaultMemberConfig, type MemberConfig } from "../../core/index.ts";
import { durationMs } from "./durations.ts";
import { type FlagName, flagTable, isFlagName } from "./flag-table.ts";
import type { ClusterEntry } from "./identity.ts";
import { readTokenOptions, type TokenOptions } from "./signed-tokens.ts";

export interface MemberFlags {
  readonly name: string;
  readonly dataDirectory: string;
  readonly listenPeer: readonly ListenAddress[];
  readonly listenClient: readonly ListenAddress[];
  readonly advertisePeerUrls: readonly string[];
  readonly advertiseClientUrls: readonly string[];
  /** The text and what it says; a problem with it matters only when there is no member in the data directory yet. */
  readonly initialCluster: readonly ClusterEntry[] | { readonly problem: string };
  readonly clusterIsNew: boolean;
  readonly clusterToken: string;
  readonly config: MemberConfig;
  readonly electionTimeoutMs: number;
  readonly backendCommitMs: number;
  readonly backendCommitWrites: number;
  readonly concurrentCallsMax: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** The API as JSON below /v3. */
  readonly jsonGateway: boolean;
  readonly corsOrigins: readonly string[];
  readonly hostWhitelist: readonly string[];
  readonly fsync: boolean;
  readonly tokens: TokenOptions;
  /** Binary logarithm of the rounds of bcrypt. */
  readonly bcryptCost: number;
  readonly logLevel: LogLevel;
  readonly logOutputs: readonly string[];
  /** Peer URL → "host:port" to dial in its place. */
  readonly peerDial: ReadonlyMap<string, string>;
  /** Flags that were set by hand, on the command line or by a variable. */
  readonly explicit: ReadonlySet<FlagName>;
}

export interface ListenAddress {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "panic" | "fatal";

export type FlagsRead =
  | { readonly kind: "start"; readonly flags: MemberFlags; readonly warnings: readonly string[] }
  /** Print and end. */
  | { readonly kind: "print"; readonly stdout: string; readonly stderr: string; readonly exitCode: number }
  /** Log as an error of the flags and end with 1. */
  | { readonly kind: "refuse"; readonly error: string };

export type Environment = { readonly [name: string]: string | undefined };

/** A refusal on the way; caught where flags are read. */
class FlagProblem extends Error {
  override readonly name = "FlagProblem";
  readonly result: FlagsRead;
  constructor(result: FlagsRead) {
    super();
    this.result = result;
  }
}

const refuse = (error: string): never => {
  throw new FlagProblem({ kind: "refuse", error });
};
const misuse = (stderr: string): never => {
  throw new FlagProblem({ kind: "print", stdout: "", stderr: `${stderr}\n`, exitCode: 2 });
};

export function readFlags(argv: readonly string[], environment: Environment, version: readonly string[]): FlagsRead {
  try {
    const given = readCommandLine(argv, version);
    const warnings = readEnvironment(given, environment);
    return { kind: "start", flags: interpret(given), warnings };
  } catch (error) {
    if (error instanceof FlagProblem) return error.result;
    throw error;
  }
}

// ---- sources -------------------------------------------------------------------------------------------------

type Given = Map<FlagName, string>;

function readCommandLine(argv: readonly string[], version: readonly string[]): Given {
  const given: Given = new Map();
  for (let position = 0; position < argv.length; position++) {
    const word = argv[position] ?? "";
    if (!/^--?[^-]/.test(word)) {
      throw new FlagProblem({ kind: "print", stdout: "", stderr: `"${word}" is not a valid flag\n`, exitCode: 1 });
    }
    const body = word.replace(/^--?/, "");
    const equals = body.indexOf("=");
    const name = equals < 0 ? body : body.slice(0, equals);
    if (name === "help" || name === "h") {
      throw new FlagProblem({ kind: "print", stdout: helpText(), stderr: "", exitCode: 0 });
    }
    if (name === "version") {
      throw new FlagProblem({ kind: "print", stdout: `${version.join("\n")}\n`, stderr: "", exitCode: 0 });
    }
    if (!isFlagName(name)) return misuse(`flag provided but not defined: -${name}\n${usageText}`);
    if (equals >= 0) given.set(name, body.slice(equals + 1));
    else if (flagTable[name].kind === "switch") given.set(name, "true");
    else {
      position += 1;
      const value = argv[position];
      if (value === undefined) return misuse(`flag needs an argument: -${name}\n${usageText}`);
      given.set(name, value);
    }
    checkForm(name, given.get(name) ?? "");
  }
  return given;
}

/** Adds what variables say; a flag with a variable of its own beside it is refused. */
function readEnvironment(given: Given, environment: Environment): string[] {
  const warnings: string[] = [];
  const known = new Map(Object.keys(flagTable).map((name) => [variableOf(name), name as FlagName]));
  for (const variable of Object.keys(environment).sort((a, b) => (a < b ? -1 : 1))) {
    const value = environment[variable];
    if (!variable.startsWith("ETCD_") || value === undefined || value === "") continue;
    const name = known.get(variable);
    if (name === undefined) {
      warnings.push(`unrecognized environment variable: ${variable}=${value}`);
      continue;
    }
    if (given.has(name)) {
      refuse(
        `conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag)): ${variable}=${value}`,
      );
    }
    const problem = formProblem(name, value);
    if (problem !== undefined) refuse(`invalid value "${value}" for ${variable}: ${problem}`);
    given.set(name, value);
  }
  return warnings;
}

const variableOf = (flag: string): string => `ETCD_${flag.toUpperCase().replaceAll("-", "_")}`;

function checkForm(name: FlagName, value: string): void {
  const problem = formProblem(name, value);
  if (problem !== undefined) misuse(`invalid value "${value}" for flag -${name}: ${problem}\n${usageText}`);
}

function formProblem(name: FlagName, value: string): string | undefined {
  switch (flagTable[name].kind) {
    case "switch":
      return switchOf(value) === undefined ? "parse error" : undefined;
    case "whole":
      return /^-?\d+$/.test(value) && Number.isSafeInteger(Number(value)) ? undefined : "parse error";
    case "duration":
      return value === "" || durationMs(value) !== undefined ? undefined : "parse error";
    default:
      break;
  }
  if (name === "initial-cluster-state" && value !== "new" && value !== "existing") return `invalid value "${value}"`;
  return undefined;
}

function switchOf(value: string): boolean | undefined {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
  return undefined;
}

// ---- meaning -------------------------------------------------------------------------------------------------

function interpret(given: Given): MemberFlags {
  refuseFixed(given);
  const text = (name: FlagName): string => given.get(name) ?? flagTable[name].standard;
  const whole = (name: FlagName): number => Number(text(name));
  const duration = (name: FlagName, standardMs: number): number =>
    Math.round(text(name) === "" ? standardMs : (durationMs(text(name)) ?? standardMs));

  const name = text("name");
  const listenPeer = listenAddresses(text("listen-peer-urls"));
  const listenClient = listenAddresses(text("listen-client-urls"));
  const advertisePeerUrls = advertisedUrls("initial-advertise-peer-urls", text("initial-advertise-peer-urls"));
  const advertiseClientUrls = advertisedUrls("advertise-client-urls", text("advertise-client-urls"));
  if (given.has("listen-client-urls") && !given.has("advertise-client-urls")) {
    refuse("--advertise-client-urls is required when --listen-client-urls is set explicitly");
  }
  const heartbeatMs = whole("heartbeat-interval");
  const electionTimeoutMs = whole("election-timeout");
  checkTiming(heartbeatMs, electionTimeoutMs);
  const quota = whole("quota-backend-bytes");
  const electionTicks = Math.floor(electionTimeoutMs / heartbeatMs);
  const tokens = readTokenOptions(text("auth-token")) ?? refuse("auth: invalid auth options");
  const config: MemberConfig = {
    ...defaultMemberConfig,
    tickMs: heartbeatMs,
    electionTicks,
    preVote: switchOf(text("pre-vote")) === true,
    snapshotEntries: whole("snapshot-count"),
    snapshotCatchUpEntries: whole("snapshot-catchup-entries"),
    requestBytesMax: whole("max-request-bytes"),
    txnOperationsMax: whole("max-txn-ops"),
    requestTimeoutMs: 5_000 + 2 * electionTimeoutMs,
    watchProgressMs: Math.max(100, duration("watch-progress-notify-interval", 600_000)),
    compactionEntriesPerTickMax: whole("compaction-batch-limit"),
    simpleTokens: tokens.kind === "simple",
    tokenTtlSeconds: whole("auth-token-ttl"),
    strictReconfig: switchOf(text("strict-reconfig-check")) === true,
    learnersMax: whole("max-learners"),
    quotaBytes: quota === 0 ? defaultMemberConfig.quotaBytes : quota < 0 ? -1 : quota,
  };
  const wrong = checkMemberConfig(config);
  if (wrong !== undefined) refuse(`a flag is out of range: ${wrong}`);
  const logLevel = text("log-level");
  if (!isLogLevel(logLevel)) return refuse(`unrecognized level: "${logLevel}"`);
  return {
    name,
    dataDirectory: text("data-dir") === "" ? `${name}.etcd` : text("data-dir"),
    listenPeer,
    listenClient,
    advertisePeerUrls,
    advertiseClientUrls,
    initialCluster: given.has("initial-cluster")
      ? initialClusterOf(text("initial-cluster"))
      : [{ name, peerUrls: advertisePeerUrls }],
    clusterIsNew: text("initial-cluster-state") === "new",
    clusterToken: text("initial-cluster-token"),
    config,
    electionTimeoutMs,
    backendCommitMs: Math.max(1, duration("backend-batch-interval", 100)),
    backendCommitWrites: whole("backend-batch-limit") > 0 ? whole("backend-batch-limit") : 10_000,
    concurrentCallsMax: whole("max-concurrent-streams"),
    keepaliveIntervalMs: duration("grpc-keepalive-interval", 7_200_000),
    keepaliveTimeoutMs: duration("grpc-keepalive-timeout", 20_000),
    jsonGateway: switchOf(text("enable-grpc-gateway")) === true,
    corsOrigins: listOf(text("cors")),
    hostWhitelist: listOf(text("host-whitelist")),
    fsync: switchOf(text("unsafe-no-fsync")) !== true,
    tokens,
    bcryptCost: bcryptCostOf(whole("bcrypt-cost")),
    logLevel,
    logOutputs: listOf(text("log-outputs")),
    peerDial: peerDialOf(text("peer-dial")),
    explicit: new Set(given.keys()),
  };
}

/** Out of bcrypt's range: its default, as in etcd. */
const bcryptCostOf = (cost: number): number => (cost >= 4 && cost <= 31 ? cost : 10);

function refuseFixed(given: Given): void {
  for (const [name, value] of given) {
    const row = flagTable[name];
    if (row.support === "used") continue;
    const same = row.kind === "switch" ? switchOf(value) === switchOf(row.standard) : value === row.standard;
    const sameDuration = row.kind === "duration" && durationMs(value) === durationMs(row.standard);
    if (same || sameDuration) continue;
    refuse(
      `--${name}=${value} is not supported by this member: it has only ${row.standard === "" ? "the flag left out" : `--${name}=${row.standard}`}`,
    );
  }
}

function checkTiming(heartbeatMs: number, electionTimeoutMs: number): void {
  if (heartbeatMs <= 0) refuse(`--heartbeat-interval must be >0 (set to ${heartbeatMs}ms)`);
  if (electionTimeoutMs <= 0) refuse(`--election-timeout must be >0 (set to ${electionTimeoutMs}ms)`);
  if (5 * heartbeatMs > electionTimeoutMs) {
    refuse(
      `--election-timeout[${electionTimeoutMs}ms] should be at least as 5 times as --heartbeat-interval[${heartbeatMs}ms]`,
    );
  }
  if (electionTimeoutMs > 50_000) {
    refuse(`--election-timeout[${electionTimeoutMs}ms] is too long, and should be set less than 50000ms`);
  }
}

const isLogLevel = (text: string): text is LogLevel =>
  ["debug", "info", "warn", "error", "panic", "fatal"].includes(text);

const listOf = (text: string): string[] => (text === "" ? [] : text.split(",").map((item) => item.trim()));

// ---- URLs ----------------------------------------------------------------------------------------------------

interface UrlParts {
  readonly url: string;
  readonly host: string;
  readonly port: string;
}

/** etcd's rules for a member URL; TLS and unix sockets are refused, being not served here. */
function urlProblem(text: string): string | undefined {
  const match = /^([a-z]+):\/\/([^/?#]*)(.*)$/.exec(text);
  const scheme = match?.[1];
  if (match === null || scheme === undefined || !["http", "https", "unix", "unixs"].includes(scheme)) {
    return `URL scheme must be http, https, unix, or unixs: ${text}`;
  }
  if (scheme !== "http") return `${scheme} URLs are not supported by this member: ${text}`;
  if (!/^(\[[0-9a-fA-F:.%]+\]|[^:[\]]*):\d{1,5}$/.test(match[2] ?? "")) {
    return `URL address does not have the form "host:port": ${text}`;
  }
  if (match[3] !== "") return `URL must not contain a path: ${text}`;
  return undefined;
}

function urlParts(text: string): UrlParts {
  const problem = urlProblem(text);
  if (problem !== undefined) return refuse(problem);
  const address = text.slice("http://".length);
  const colon = address.lastIndexOf(":");
  return { url: text, host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: address.slice(colon + 1) };
}

function urlList(text: string): UrlParts[] {
  const urls = listOf(text);
  if (urls.length === 0) refuse("no valid URLs given");
  return urls.map(urlParts);
}

function listenAddresses(text: string): ListenAddress[] {
  return urlList(text).map(({ url, host, port }) => {
    if (host !== "localhost" && host !== "" && isIP(host) === 0) refuse(`expected IP in URL for binding (${url})`);
    return { url, host, port: Number(port) };
  });
}

function advertisedUrls(flag: FlagName, text: string): string[] {
  return urlList(text).map(({ url, host }) => {
    if (host === "") refuse(`--${flag} "${url}" must be "host:port" (unexpected empty host (${url}))`);
    return url;
  });
}

/** `n1=url1,n1=url1b,n2=url2`; names in the order they first appear. */
export function initialClusterOf(text: string): ClusterEntry[] | { readonly problem: string } {
  const urlsByName = new Map<string, string[]>();
  for (const item of listOf(text)) {
    const equals = item.indexOf("=");
    const name = equals < 0 ? item : item.slice(0, equals);
    const url = equals < 0 ? "" : item.slice(equals + 1);
    if (url === "") return { problem: `error setting up initial cluster: empty URL given for "${name}"` };
    const problem = urlProblem(url);
    if (problem !== undefined) return { problem: `error setting up initial cluster: ${problem}` };
    urlsByName.set(name, [...(urlsByName.get(name) ?? []), url]);
  }
  return [...urlsByName].map(([name, peerUrls]) => ({ name, peerUrls }));
}

/** What a first start demands of the cluster list; undefined when all is well. */
export function bootstrapProblem(flags: MemberFlags): string | undefined {
  const cluster = flags.initialCluster;
  if ("problem" in cluster) return cluster.problem;
  if (cluster.length === 0) return "initial cluster unset and no discovery URL found";
  const own = cluster.find((entry) => entry.name === flags.name);
  if (own === undefined) return `couldn't find local name "${flags.name}" in the initial cluster configuration`;
  const all = cluster.flatMap((entry) => entry.peerUrls);
  if (new Set(all).size !== all.length) return `initial cluster ${clusterText(cluster)} has duplicate url`;
  const missingFromFlag = own.peerUrls.filter((url) => !flags.advertisePeerUrls.includes(url));
  if (missingFromFlag.length > 0) {
    return `--initial-cluster has ${missingFromFlag.join(",")} but missing from --initial-advertise-peer-urls=${flags.advertisePeerUrls.join(",")}`;
  }
  const missingFromCluster = flags.advertisePeerUrls.filter((url) => !own.peerUrls.includes(url));
  if (missingFromCluster.length > 0) {
    return `--initial-advertise-peer-urls has ${missingFromCluster.join(",")} but missing from --initial-cluster=${clusterText([own])}`;
  }
  return undefined;
}

const clusterText = (cluster: readonly ClusterEntry[]): string =>
  cluster.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`)).join(",");

function peerDialOf(text: string): ReadonlyMap<string, string> {
  const dial = new Map<string, string>();
  for (const item of listOf(text)) {
    const equals = item.indexOf("=");
    if (equals < 0) refuse(`--peer-dial takes URL=host:port pairs, not "${item}"`);
    dial.set(item.slice(0, equals), item.slice(equals + 1));
  }
  return dial;
}

// ---- help ----------------------------------------------------------------------------------------------------

const usageText = "Usage: faultline etcd [flags]; --help shows them";

function helpText(): string {
  const lines = [
    "Usage: faultline etcd [flags]",
    "",
    "Runs one etcd-compatible member. Each flag may be given with one dash or two, or as a variable",
    "(--listen-peer-urls: ETCD_LISTEN_PEER_URLS), not both.",
    "",
  ];
  const other: string[] = [];
  for (const [name, row] of Object.entries(flagTable)) {
    if (row.support === "fixed") other.push(name);
    else lines.push(`  --${name} '${row.standard}'`, `        ${row.meaning}`);
  }
  lines.push(
    "  --version",
    "        Print the version and end.",
    "",
    "Known to etcd and accepted only with etcd's own default:",
    "",
  );
  for (let start = 0; start < other.length; start += 4) lines.push(`  ${other.slice(start, start + 4).join(", ")}`);
  lines.push(
    "",
    "Example, a cluster of one:",
    "  faultline etcd --name m1 --data-dir /tmp/m1",
    "",
    "Exit codes: 0 ended as asked, 1 could not start or a disk failed, 2 wrong usage or a broken invariant.",
    "",
  );
  return lines.join("\n");
}
