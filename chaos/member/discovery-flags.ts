/*
 * Where a new cluster's members are named, when not by --initial-cluster: in DNS, or in another etcd. One place at most.
 * Source: etcd configuration, §5 validation, §10 discovery and DNS.
 */
import type { TransportFlags } from "../client/transport.ts";
import { durationMs } from "./durations.ts";
import { refuse } from "./flag-problem.ts";
import { type Given, switchOf } from "./flag-sources.ts";
import { type FlagName, flagTable } from "./flag-table.ts";
import type { SrvDomain } from "./srv-discovery.ts";
import { listOf } from "./urls.ts";

/** Another etcd that holds the register of a cluster to be. */
export interface RegisterPlace {
  /** Names the register; becomes the new cluster's token. */
  readonly token: string;
  readonly endpoints: readonly string[];
  readonly transport: TransportFlags;
  /** undefined: nobody asks. */
  readonly user: { readonly name: string; readonly password: string } | undefined;
  readonly requestTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

export interface MemberSources {
  readonly discoverySrv: SrvDomain | undefined;
  readonly discoveryRegister: RegisterPlace | undefined;
}

/** @throws FlagProblem for two places, or half of one */
export function memberSourcesOf(given: Given): MemberSources {
  const text = (name: FlagName): string => given.get(name) ?? flagTable[name].standard;
  const endpoints = listOf(text("discovery-endpoints"));
  const token = text("discovery-token");
  const domain = text("discovery-srv");
  const places = [given.get("initial-cluster") ?? "", domain, endpoints.join()].filter((place) => place !== "");
  if (places.length > 1) {
    refuse(
      'multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery", "discovery-endpoints" or "discovery-srv"',
    );
  }
  if ((token === "") !== (endpoints.length === 0)) {
    refuse("both --discovery-token and --discovery-endpoints must be set");
  }
  if (endpoints.length > 0 && text("initial-cluster-state") === "existing") {
    refuse("discovery URL should not be set when joining existing initial cluster");
  }
  return {
    discoverySrv: domain === "" ? undefined : { domain, suffix: text("discovery-srv-name") },
    discoveryRegister: endpoints.length === 0 ? undefined : registerPlaceOf(text, token, endpoints),
  };
}

function registerPlaceOf(text: (name: FlagName) => string, token: string, endpoints: readonly string[]): RegisterPlace {
  const file = (name: FlagName): string | undefined => text(name) || undefined;
  const time = (name: FlagName): number => Math.round(durationMs(text(name)) ?? 0);
  const user = text("discovery-user");
  const colon = user.indexOf(":");
  const password = text("discovery-password");
  if (user !== "" && colon < 0 && password === "") {
    refuse('password is missing: give --discovery-password, or --discovery-user "name:password"');
  }
  return {
    token,
    endpoints,
    transport: {
      cacert: file("discovery-cacert"),
      cert: file("discovery-cert"),
      key: file("discovery-key"),
      insecureTransport: switchOf(text("discovery-insecure-transport")) === true,
      insecureSkipTlsVerify: switchOf(text("discovery-insecure-skip-tls-verify")) === true,
    },
    user:
      user === ""
        ? undefined
        : password === ""
          ? { name: user.slice(0, colon), password: user.slice(colon + 1) }
          : { name: user, password },
    requestTimeoutMs: time("discovery-dial-timeout") + time("discovery-request-timeout"),
    keepaliveMs: time("discovery-keepalive-time"),
    keepaliveTimeoutMs: time("discovery-keepalive-timeout"),
  };
}
