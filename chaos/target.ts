/*
 * What a drill is run against: our own member, a stock etcd binary, or a cluster that is there already. The first two
 * take the same flags, so a drill treats both as black boxes; the third has no process to signal.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { PlannedMember } from "../scenarios/plan.ts";
import { type DrillCertificates, tlsFlags } from "./drill-certificates.ts";

export type Target =
  | { readonly kind: "faultline"; readonly tls?: boolean }
  | { readonly kind: "etcd"; readonly binary: string; readonly tls?: boolean }
  /** host:port of each member. */
  | { readonly kind: "endpoints"; readonly endpoints: readonly string[] };

export const stockEtcdBinary = "/usr/bin/etcd";

/**
 * Reads --target.
 *
 * @returns a sentence naming what is wrong and the remedy when it is no target
 */
export function parseTarget(text: string): Target | { readonly problem: string } {
  if (text === "faultline-tls" || text === "etcd-tls") {
    const plain = parseTarget(text.replace(/-tls$/, ""));
    return "problem" in plain ? plain : overTls(plain);
  }
  if (text === "faultline") return { kind: "faultline" };
  if (text === "etcd") {
    const binary = process.env["FAULTLINE_ETCD"] ?? stockEtcdBinary;
    if (existsSync(binary)) return { kind: "etcd", binary };
    return {
      problem: `--target etcd: ${binary} does not exist; install etcd-server or set FAULTLINE_ETCD to the binary`,
    };
  }
  const endpoints = text.split(",").map((endpoint) => endpoint.trim().replace(/^http:\/\//, ""));
  const bad = endpoints.find((endpoint) => !/^[^\s:/]+:\d{1,5}$/.test(endpoint));
  if (bad !== undefined) {
    return { problem: `--target ${text}: "${bad}" is no endpoint; give faultline, etcd or host:port,host:port,…` };
  }
  return { kind: "endpoints", endpoints };
}

/** Name of a target in histories and reports. */
export const targetName = (target: Target): string =>
  target.kind === "endpoints" ? target.endpoints.join(",") : `${target.kind}${target.tls === true ? "-tls" : ""}`;

/** The same target with TLS on every port. @returns a sentence when its ports are not ours to choose */
export function overTls(target: Target): Target | { readonly problem: string } {
  if (target.kind !== "endpoints") return { ...target, tls: true };
  return {
    problem: "--tls: members that run already have their own certificates; it is for --target faultline or etcd",
  };
}

export interface MemberAddresses {
  readonly name: string;
  readonly dataDir: string;
  readonly clientUrl: string;
  /** Where the process listens for its peers, and what it tells them: the hop in front of it. */
  readonly peerListenUrl: string;
  readonly peerUrl: string;
}

/** The command that runs one member of the cluster. */
export function commandOf(
  target: Exclude<Target, { kind: "endpoints" }>,
  member: MemberAddresses,
  cluster: {
    /** Those it is told of: the founders, or all that belong when it joins. */
    readonly members: readonly MemberAddresses[];
    readonly state: "new" | "existing";
    readonly token: string;
    readonly planned: PlannedMember;
    /** undefined: plain text. */
    readonly certificates: DrillCertificates | undefined;
  },
): { readonly command: string; readonly args: readonly string[] } {
  const flags = [
    `--name=${member.name}`,
    `--data-dir=${member.dataDir}`,
    `--listen-client-urls=${member.clientUrl}`,
    `--advertise-client-urls=${member.clientUrl}`,
    `--listen-peer-urls=${member.peerListenUrl}`,
    `--initial-advertise-peer-urls=${member.peerUrl}`,
    `--initial-cluster=${cluster.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",")}`,
    `--initial-cluster-token=${cluster.token}`,
    `--initial-cluster-state=${cluster.state}`,
    "--logger=zap",
    "--log-outputs=stderr",
    ...(cluster.certificates === undefined ? [] : tlsFlags(cluster.certificates)),
    ...configFlags(cluster.planned, target.kind === "etcd" ? etcdFlagNames : ourFlagNames),
  ];
  if (target.kind === "etcd") return { command: target.binary, args: flags };
  return { command: process.execPath, args: [...ourEntry(), "etcd", ...flags] };
}

/** This program again: compiled when this file is, from its sources otherwise. */
function ourEntry(): string[] {
  const compiled = import.meta.url.endsWith(".js");
  const entry = fileURLToPath(new URL(compiled ? "../faultline.js" : "../faultline.ts", import.meta.url));
  return compiled ? [entry] : ["--import", createRequire(import.meta.url).resolve("tsx"), entry];
}

/** Fields of a planned config that are flags of etcd, with our defaults; the others are the simulator's alone. */
function configFlags(planned: PlannedMember, flagNames: typeof etcdFlagNames): string[] {
  const config: PlannedMember["config"] = { tickMs: 100, electionTicks: 10, preVote: true, ...planned.config };
  const tickMs = Number(config["tickMs"]);
  const flags = [`--heartbeat-interval=${tickMs}`, `--election-timeout=${tickMs * Number(config["electionTicks"])}`];
  for (const [field, flag, unit = ""] of flagNames) {
    const value = config[field];
    if (value !== undefined) flags.push(`--${flag}=${value}${unit}`);
  }
  return flags;
}
const etcdFlagNames: readonly (readonly [field: string, flag: string, unit?: "ms"])[] = [
  ["preVote", "pre-vote"],
  ["snapshotEntries", "snapshot-count"],
  ["requestBytesMax", "max-request-bytes"],
  ["txnOperationsMax", "max-txn-ops"],
  ["quotaBytes", "quota-backend-bytes"],
  ["strictReconfig", "strict-reconfig-check"],
  ["corruptCheckMs", "experimental-corrupt-check-time", "ms"],
];
const ourFlagNames: typeof etcdFlagNames = [
  ...etcdFlagNames,
  ["leaseReads", "lease-reads"],
  ["promoteLearners", "promote-learners"],
  ["leaseAllowanceTicks", "lease-allowance-ticks"],
  ["learnersMax", "max-learners"],
  ["leaseCheckpoints", "experimental-enable-lease-checkpoint"],
  ["leaseCheckpointMs", "lease-checkpoint-interval", "ms"],
];
