/*
 * etcd's command line and environment → what a member needs to start, or the words and the exit code of a refusal.
 * Nothing here touches the disk or the network. Texts are etcd's: operators and scripts know them.
 * Source: etcd configuration, §1 sources, §2 flags, §5 validation.
 */
import { checkMemberConfig, defaultMemberConfig, type MemberConfig } from "../../core/index.ts";
import { readConfigFile } from "./config-file.ts";
import { type MemberSources, memberSourcesOf } from "./discovery-flags.ts";
import { durationMs } from "./durations.ts";
import { FlagProblem, type FlagsEnd, refuse } from "./flag-problem.ts";
import { type Environment, type Given, readCommandLine, readEnvironment, switchOf } from "./flag-sources.ts";
import { type FlagName, flagTable } from "./flag-table.ts";
import type { ClusterEntry } from "./identity.ts";
import { initialClusterOf } from "./initial-cluster.ts";
import type { LogFormat } from "./log.ts";
import { type LogRotation, logRotationOf } from "./log-rotation.ts";
import { peerTimeoutLeastMs } from "./peer-stream.ts";
import { readTokenOptions, type TokenOptions } from "./signed-tokens.ts";
import { checkSchemes, idleFlags, type TlsOptions, tlsOptionsOf } from "./tls-flags.ts";
import { readUpkeepFlags } from "./upkeep-flags.ts";
import { advertisedUrls, type ListenAddress, listenAddresses, listOf } from "./urls.ts";

/** Where a first start finds the members in place of `initialCluster` is one of its sources; both undefined: nowhere else. */
export interface MemberFlags extends MemberSources {
  readonly name: string;
  readonly dataDirectory: string;
  /** Directory for the log alone; undefined: it lies in the data directory. */
  readonly walHome: string | undefined;
  readonly listenPeer: readonly ListenAddress[];
  readonly listenClient: readonly ListenAddress[];
  /** Where HTTP is served apart from gRPC; none: on the same ports. */
  readonly listenClientHttp: readonly ListenAddress[];
  /** Where metrics and health are served as well, before there is a cluster. */
  readonly listenMetrics: readonly ListenAddress[];
  readonly clientTls: TlsOptions;
  readonly peerTls: TlsOptions;
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
  /** Defragment at a start that frees so much; 0: never. */
  readonly bootDefragmentBytes: number;
  readonly concurrentCallsMax: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** Least time between pings of a client with calls open. */
  readonly keepaliveLeastMs: number;
  /** Of connections between members. */
  readonly peerTimeouts: { readonly readMs: number; readonly writeMs: number };
  /** An entry that takes longer to apply is worth a warning. */
  readonly warnApplyMs: number;
  /** A unary call above it is worth a warning. */
  readonly warnUnaryMs: number;
  readonly extensiveMetrics: boolean;
  /** Serve /debug/pprof. */
  readonly profiles: boolean;
  /** The API as JSON below /v3. */
  readonly jsonGateway: boolean;
  readonly corsOrigins: readonly string[];
  readonly hostWhitelist: readonly string[];
  /** Once, after the majority was lost. */
  readonly forceNewCluster: boolean;
  readonly fsync: boolean;
  readonly tokens: TokenOptions;
  /** Binary logarithm of the rounds of bcrypt. */
  readonly bcryptCost: number;
  readonly logLevel: LogLevel;
  readonly logOutputs: readonly string[];
  readonly logFormat: LogFormat;
  /** undefined: log files grow. */
  readonly logRotation: LogRotation | undefined;
  /** Peer URL → "host:port" to dial in its place. */
  readonly peerDial: ReadonlyMap<string, string>;
  /** Flags that were set by hand, on the command line or by a variable. */
  readonly explicit: ReadonlySet<FlagName>;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "panic" | "fatal";

export type FlagsRead =
  | { readonly kind: "start"; readonly flags: MemberFlags; readonly warnings: readonly string[] }
  | FlagsEnd;

export function readFlags(argv: readonly string[], environment: Environment, version: readonly string[]): FlagsRead {
  try {
    const { given, warnings } = readSources(argv, environment, version);
    const flags = interpret(given);
    return { kind: "start", flags, warnings: [...warnings, ...schemeWarnings(flags), ...raisedTimeouts(given)] };
  } catch (error) {
    if (error instanceof FlagProblem) return error.result;
    throw error;
  }
}

/** The command line and variables, or the file that one of them names, and nothing else then. */
function readSources(
  argv: readonly string[],
  environment: Environment,
  version: readonly string[],
): { readonly given: Given; readonly warnings: readonly string[] } {
  const given = readCommandLine(argv, version);
  const path = given.get("config-file") || environment["ETCD_CONFIG_FILE"] || "";
  if (path === "") return { warnings: readEnvironment(given, environment), given };
  const file = readConfigFile(path);
  // The one flag a file cannot hold: where a drill's proxy stands.
  const dial = given.get("peer-dial");
  if (dial !== undefined) file.given.set("peer-dial", dial);
  // etcd asks for it on the command line alone; a file without it advertises the default.
  if (file.given.has("listen-client-urls") && !file.given.has("advertise-client-urls")) {
    file.given.set("advertise-client-urls", flagTable["advertise-client-urls"].standard);
  }
  const others = [...given.keys()].filter((name) => name !== "config-file" && name !== "peer-dial");
  const note = `loaded server configuration from ${path}, other configuration command line flags and environment variables will be ignored if provided`;
  const passedOver = others.length === 0 ? "" : `: --${others.join(", --")}`;
  return { given: file.given, warnings: [`${note}${passedOver}`, ...file.warnings] };
}

function interpret(given: Given): MemberFlags {
  refuseFixed(given);
  const text = (name: FlagName): string => given.get(name) ?? flagTable[name].standard;
  const whole = (name: FlagName): number => Number(text(name));
  const duration = (name: FlagName, standardMs: number): number =>
    Math.round(text(name) === "" ? standardMs : (durationMs(text(name)) ?? standardMs));

  const name = text("name");
  const listenPeer = listenAddresses(text("listen-peer-urls"));
  const listenClient = listenAddresses(text("listen-client-urls"));
  const listenClientHttp = optionalAddresses(text("listen-client-http-urls"));
  checkDistinct(listenClient, listenClientHttp);
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
  const upkeep = readUpkeepFlags(text, (flag) => given.has(flag));
  if (typeof upkeep === "string") return refuse(upkeep);
  const config: MemberConfig = {
    ...defaultMemberConfig,
    tickMs: heartbeatMs,
    electionTicks,
    preVote: switchOf(text("pre-vote")) === true,
    soleVoterAtOnce: switchOf(text("initial-election-tick-advance")) === true,
    promoteLearners: switchOf(text("promote-learners")) === true,
    leaseReads: switchOf(text("lease-reads")) === true,
    leaseAllowanceTicks: whole("lease-allowance-ticks"),
    snapshotEntries: whole("snapshot-count"),
    snapshotCatchUpEntries: whole("snapshot-catchup-entries"),
    requestBytesMax: whole("max-request-bytes"),
    txnOperationsMax: whole("max-txn-ops"),
    requestTimeoutMs: 5_000 + 2 * electionTimeoutMs,
    watchProgressMs: Math.max(100, duration("watch-progress-notify-interval", 600_000)),
    ...upkeep,
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
  checkOldStore(text("v2-deprecation"));
  checkFreelist(text("backend-bbolt-freelist-type"));
  const logOutputs = listOf(text("log-outputs"));
  return {
    name,
    dataDirectory: text("data-dir") === "" ? `${name}.etcd` : text("data-dir"),
    walHome: text("wal-dir") || undefined,
    listenPeer,
    listenClient,
    listenClientHttp,
    listenMetrics: optionalAddresses(text("listen-metrics-urls")),
    clientTls: tlsOptionsOf(given, "client"),
    peerTls: tlsOptionsOf(given, "peer"),
    advertisePeerUrls,
    advertiseClientUrls,
    initialCluster: given.has("initial-cluster")
      ? initialClusterOf(text("initial-cluster"))
      : [{ name, peerUrls: advertisePeerUrls }],
    ...memberSourcesOf(given),
    clusterIsNew: text("initial-cluster-state") === "new",
    clusterToken: text("initial-cluster-token"),
    config,
    electionTimeoutMs,
    backendCommitMs: Math.max(1, duration("backend-batch-interval", 100)),
    backendCommitWrites: whole("backend-batch-limit") > 0 ? whole("backend-batch-limit") : 10_000,
    bootDefragmentBytes: whole("bootstrap-defrag-threshold-megabytes") * 1024 * 1024,
    concurrentCallsMax: whole("max-concurrent-streams"),
    keepaliveIntervalMs: duration("grpc-keepalive-interval", 7_200_000),
    keepaliveTimeoutMs: duration("grpc-keepalive-timeout", 20_000),
    keepaliveLeastMs: duration("grpc-keepalive-min-time", 5_000) || grpcLeastMs,
    peerTimeouts: {
      readMs: Math.max(peerTimeoutLeastMs, duration("raft-read-timeout", peerTimeoutLeastMs)),
      writeMs: Math.max(peerTimeoutLeastMs, duration("raft-write-timeout", peerTimeoutLeastMs)),
    },
    warnApplyMs: duration("warning-apply-duration", 100),
    warnUnaryMs: duration("warning-unary-request-duration", 300),
    extensiveMetrics: metricsLevelOf(text("metrics")) === "extensive",
    profiles: switchOf(text("enable-pprof")) === true,
    jsonGateway: switchOf(text("enable-grpc-gateway")) === true,
    corsOrigins: listOf(text("cors")),
    hostWhitelist: listOf(text("host-whitelist")),
    forceNewCluster: switchOf(text("force-new-cluster")) === true,
    fsync: switchOf(text("unsafe-no-fsync")) !== true,
    tokens,
    bcryptCost: bcryptCostOf(whole("bcrypt-cost")),
    logLevel,
    logOutputs,
    logFormat: logFormatOf(text("log-format")),
    logRotation:
      switchOf(text("enable-log-rotation")) === true
        ? rotationOf(text("log-rotation-config-json"), logOutputs)
        : undefined,
    peerDial: peerDialOf(text("peer-dial")),
    explicit: new Set(given.keys()),
  };
}

/** Where less than the least was asked for. */
function raisedTimeouts(given: Given): string[] {
  return (["raft-read-timeout", "raft-write-timeout"] as const)
    .filter((name) => (durationMs(given.get(name) ?? "") ?? peerTimeoutLeastMs) < peerTimeoutLeastMs)
    .map((name) => `${name} increased to minimum value: ${peerTimeoutLeastMs / 1_000}s`);
}

/** @throws FlagProblem where a URL needs files that were not given */
function schemeWarnings({
  listenClient,
  listenClientHttp,
  listenMetrics,
  listenPeer,
  clientTls,
  peerTls,
}: MemberFlags): string[] {
  const urls = (addresses: readonly ListenAddress[]): string[] => addresses.map(({ url }) => url);
  // Metrics in plain text beside TLS are meant so; in TLS they need what clients need.
  checkSchemes(urls(listenMetrics.filter(({ secure }) => secure)), clientTls);
  return [
    ...checkSchemes(urls(listenPeer), peerTls),
    ...checkSchemes(urls([...listenClient, ...listenClientHttp]), clientTls),
    ...idleFlags(peerTls),
    ...idleFlags(clientTls),
  ];
}

/** What gRPC itself takes when nothing is said. */
const grpcLeastMs = 300_000;

/** Stages of the end of release 2's store; here it ended before it began. */
const oldStoreStages = ["not-yet", "write-only", "write-only-skip-check", "write-only-drop-data", "gone"];

function checkOldStore(stage: string): void {
  if (!oldStoreStages.includes(stage))
    refuse(`--v2-deprecation is one of ${oldStoreStages.join(", ")}, not "${stage}"`);
}

/** A choice within bbolt, of which nothing shows. */
function checkFreelist(type: string): void {
  if (type !== "array" && type !== "map") refuse(`--backend-bbolt-freelist-type is array or map, not "${type}"`);
}

function logFormatOf(text: string): LogFormat {
  return text === "json" || text === "console" ? text : refuse(`--log-format is json or console, not "${text}"`);
}

function rotationOf(text: string, outputs: readonly string[]): LogRotation {
  const files = outputs.filter((output) => !["default", "stderr", "stdout"].includes(output));
  if (files.length !== 1) {
    refuse("--log-outputs requires a single file path when --enable-log-rotation is set");
  }
  const rotation = logRotationOf(text);
  return typeof rotation === "string" ? refuse(rotation) : rotation;
}

const optionalAddresses = (text: string): ListenAddress[] => (text === "" ? [] : listenAddresses(text));

function checkDistinct(grpc: readonly ListenAddress[], http: readonly ListenAddress[]): void {
  const both = http.find(({ url }) => grpc.some((other) => other.url === url));
  if (both === undefined) return;
  refuse(`cannot bind both --listen-client-urls and --listen-client-http-urls on the same url ${both.url}`);
}

function metricsLevelOf(text: string): "basic" | "extensive" {
  return text === "basic" || text === "extensive" ? text : refuse(`--metrics is basic or extensive, not "${text}"`);
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
    refuse(`--${name}=${value} is not supported by this member: ${row.meaning}`);
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

function peerDialOf(text: string): ReadonlyMap<string, string> {
  const dial = new Map<string, string>();
  for (const item of listOf(text)) {
    const equals = item.indexOf("=");
    if (equals < 0) refuse(`--peer-dial takes URL=host:port pairs, not "${item}"`);
    dial.set(item.slice(0, equals), item.slice(equals + 1));
  }
  return dial;
}
