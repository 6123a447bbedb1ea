/*
 * URLs of members as flags give them: what a member may listen on, and what it may tell others.
 * Source: etcd configuration, §5 validation.
 */
import { isIP } from "node:net";
import { refuse } from "./flag-problem.ts";
import type { FlagName } from "./flag-table.ts";

export interface ListenAddress {
  readonly url: string;
  /** Of a unix socket: the name before its path, if any. */
  readonly host: string;
  /** Of a unix socket: 0. */
  readonly port: number;
  /** File of a unix socket; undefined: TCP. */
  readonly path?: string | undefined;
  /** https or unixs. */
  readonly secure: boolean;
}

/** What follows the scheme: `127.0.0.1:2379`, or the file of a unix socket. */
export const addressOf = (url: string): string => url.replace(/^(https?|unixs?):\/\//, "");
export const isSecureUrl = (url: string): boolean => /^(https|unixs):/.test(url);
export const isUnixUrl = (url: string): boolean => /^unixs?:/.test(url);

/** The items of a comma list, trimmed; none of an empty text. */
export const listOf = (text: string): string[] => (text === "" ? [] : text.split(",").map((item) => item.trim()));

interface UrlParts {
  readonly url: string;
  readonly host: string;
  readonly port: string;
}

/** etcd's rules for a member URL. */
export function urlProblem(text: string): string | undefined {
  const match = /^([a-z]+):\/\/([^/?#]*)(.*)$/.exec(text);
  const scheme = match?.[1];
  if (match === null || scheme === undefined || !["http", "https", "unix", "unixs"].includes(scheme)) {
    return `URL scheme must be http, https, unix, or unixs: ${text}`;
  }
  if (isUnixUrl(text)) return addressOf(text) === "" ? `URL names no socket file: ${text}` : undefined;
  if (!/^(\[[0-9a-fA-F:.%]+\]|[^:[\]]*):\d{1,5}$/.test(match[2] ?? "")) {
    return `URL address does not have the form "host:port": ${text}`;
  }
  if (match[3] !== "") return `URL must not contain a path: ${text}`;
  return undefined;
}

function urlParts(text: string): UrlParts {
  const problem = urlProblem(text);
  if (problem !== undefined) return refuse(problem);
  const address = addressOf(text);
  const colon = address.lastIndexOf(":");
  if (isUnixUrl(text)) return { url: text, host: address.replace(/[:/].*$/s, "") || "localhost", port: "0" };
  return { url: text, host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: address.slice(colon + 1) };
}

function urlList(text: string): UrlParts[] {
  const urls = listOf(text);
  if (urls.length === 0) refuse("no valid URLs given");
  return urls.map(urlParts);
}

/** @throws FlagProblem */
export function listenAddresses(text: string): ListenAddress[] {
  return urlList(text).map(({ url, host, port }) => {
    const path = isUnixUrl(url) ? addressOf(url) : undefined;
    if (path === undefined && host !== "localhost" && host !== "" && isIP(host) === 0) {
      refuse(`expected IP in URL for binding (${url})`);
    }
    return { url, host, port: Number(port), path, secure: isSecureUrl(url) };
  });
}

/** @throws FlagProblem */
export function advertisedUrls(flag: FlagName, text: string): string[] {
  return urlList(text).map(({ url, host }) => {
    if (host === "") refuse(`--${flag} "${url}" must be "host:port" (unexpected empty host (${url}))`);
    return url;
  });
}
