/*
 * URLs of members as flags give them: what a member may listen on, and what it may tell others.
 * Source: etcd configuration, §5 validation.
 */
import { isIP } from "node:net";
import { refuse } from "./flag-problem.ts";
import type { FlagName } from "./flag-table.ts";

export interface ListenAddress {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** https. */
  readonly secure: boolean;
}

/** The items of a comma list, trimmed; none of an empty text. */
export const listOf = (text: string): string[] => (text === "" ? [] : text.split(",").map((item) => item.trim()));

interface UrlParts {
  readonly url: string;
  readonly host: string;
  readonly port: string;
}

/** etcd's rules for a member URL; unix sockets are refused, being not served here. */
export function urlProblem(text: string): string | undefined {
  const match = /^([a-z]+):\/\/([^/?#]*)(.*)$/.exec(text);
  const scheme = match?.[1];
  if (match === null || scheme === undefined || !["http", "https", "unix", "unixs"].includes(scheme)) {
    return `URL scheme must be http, https, unix, or unixs: ${text}`;
  }
  if (scheme !== "http" && scheme !== "https") {
    return `${scheme} URLs are not supported by this member, which listens on TCP alone; give an http or https URL: ${text}`;
  }
  if (!/^(\[[0-9a-fA-F:.%]+\]|[^:[\]]*):\d{1,5}$/.test(match[2] ?? "")) {
    return `URL address does not have the form "host:port": ${text}`;
  }
  if (match[3] !== "") return `URL must not contain a path: ${text}`;
  return undefined;
}

function urlParts(text: string): UrlParts {
  const problem = urlProblem(text);
  if (problem !== undefined) return refuse(problem);
  const address = text.replace(/^https?:\/\//, "");
  const colon = address.lastIndexOf(":");
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
    if (host !== "localhost" && host !== "" && isIP(host) === 0) refuse(`expected IP in URL for binding (${url})`);
    return { url, host, port: Number(port), secure: url.startsWith("https:") };
  });
}

/** @throws FlagProblem */
export function advertisedUrls(flag: FlagName, text: string): string[] {
  return urlList(text).map(({ url, host }) => {
    if (host === "") refuse(`--${flag} "${url}" must be "host:port" (unexpected empty host (${url}))`);
    return url;
  });
}
