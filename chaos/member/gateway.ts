/*
 * HTTP/1.1 beside gRPC: the JSON gateway, health, version, metrics and variables on the client port; version and the
 * member list on the peer port. Source: etcd v3 HTTP surface.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import type { MemberRecord } from "../../core/index.ts";
import { commonNameOf } from "./certificate-rules.ts";
import { checksAt, type HealthOptions, health, runChecks } from "./health.ts";
import { type JsonGatewayOptions, serveJson } from "./json-gateway.ts";
import { serveWebSocket } from "./json-web-socket.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Profiles } from "./profiles.ts";
import { etcdVersion, storageVersion } from "./version.ts";

interface VersionSource {
  /** undefined until the cluster has decided. */
  readonly clusterVersion: () => string | undefined;
}

export interface ClientHttpOptions extends VersionSource {
  /** undefined: no /v3 (etcd: enable-grpc-gateway=false). */
  readonly gateway: JsonGatewayOptions | undefined;
  readonly health: HealthOptions;
  readonly metrics: Metrics;
  /** What /debug/vars shows. */
  readonly variables: () => { readonly [name: string]: unknown };
  /** /debug/pprof; undefined: not served. */
  readonly profiles: Profiles | undefined;
  /** Host names a client may use; `*` is any. */
  readonly hostWhitelist: readonly string[];
  /** Origins whose pages may read answers; `*` is any. */
  readonly corsOrigins: readonly string[];
  /** Certificates of clients say who they are, and users exist: a call here would lose that. */
  readonly certificatesMatter: () => boolean;
}

export function clientHttp(options: ClientHttpOptions): Server {
  const server = createServer((request, response) => {
    if (!hostAllowed(options.hostWhitelist, request)) return refuseHost(request, response);
    allowOrigin(options.corsOrigins, request, response);
    if (request.method === "OPTIONS") {
      response.end();
      return;
    }
    const clean = cleanTarget(request.url ?? "/");
    if (clean !== undefined) return redirect(request, response, clean);
    const url = urlOf(request);
    if (url === undefined) return sendText(response, 400, "400 Bad Request\n");
    if (options.gateway !== undefined && url.pathname === "/v3") {
      return redirect(request, response, `/v3/${url.search}`);
    }
    if (options.gateway !== undefined && apiPath(url).startsWith("/v3/")) {
      if (losesItsName(options, request)) return sendText(response, 400, `${namelessText}\n`);
      serveJson(options.gateway, apiPath(url), request, response);
      return;
    }
    answer(options, url, request, response).catch((error: unknown) => {
      sendText(response, 500, `${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const allowed = hostAllowed(options.hostWhitelist, request) && !losesItsName(options, request);
    if (head.length > 0) socket.unshift(head);
    const url = allowed ? urlOf(request) : undefined;
    const served =
      url !== undefined &&
      options.gateway !== undefined &&
      apiPath(url).startsWith("/v3/") &&
      serveWebSocket(options.gateway, apiPath(url), request, socket);
    if (!served) socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  return server;
}

/** The ports for probes and scrapes: metrics and health, nothing else. */
export function metricsHttp(options: Pick<ClientHttpOptions, "health" | "metrics">): Server {
  return createServer((request, response) => {
    const url = urlOf(request);
    if (url === undefined) return sendText(response, 400, "400 Bad Request\n");
    answerProbe(options, url, request, response)
      .then((answered) => {
        if (!answered) sendText(response, 404, "404 page not found\n");
      })
      .catch((error: unknown) => {
        sendText(response, 500, `${error instanceof Error ? error.message : String(error)}\n`);
      });
  });
}

/** undefined: what the client asked for is no path. */
function urlOf(request: IncomingMessage): URL | undefined {
  const target = request.url ?? "/";
  // Not as relative to a base: a path that begins with two slashes would name another host.
  const text = target.startsWith("/") ? `http://member${target}` : target;
  return URL.canParse(text) ? new URL(text) : undefined;
}

/**
 * The target with every empty, `.` and `..` step of its path taken, as etcd's HTTP library wants them.
 *
 * @returns undefined: it is so already
 */
function cleanTarget(target: string): string | undefined {
  const end = target.indexOf("?");
  const path = end < 0 ? target : target.slice(0, end);
  if (!/^\/(.*\/)?[/.]/.test(path)) return undefined;
  const steps: string[] = [];
  for (const step of path.split("/")) {
    if (step === "..") steps.pop();
    else if (step !== "" && step !== ".") steps.push(step);
  }
  const clean = `/${steps.join("/")}${steps.length > 0 && path.endsWith("/") ? "/" : ""}`;
  return clean === path ? undefined : `${clean}${target.slice(path.length)}`;
}

/** With its method and body kept. */
function redirect(request: IncomingMessage, response: ServerResponse, location: string): void {
  response.statusCode = 307;
  response.setHeader("location", location);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.end();
    return;
  }
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(
    `<a href="${location.replace(/[&"'<>]/g, (letter) => `&#${letter.charCodeAt(0)};`)}">Temporary Redirect</a>.\n\n`,
  );
}

/** The path, with that of an older release as today's. */
const apiPath = (url: URL): string => url.pathname.replace(/^\/v3beta\//, "/v3/");

async function answer(
  options: ClientHttpOptions,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (url.pathname === "/version") {
    if (onlyGet(request, response)) sendJson(response, versionsOf(options));
  } else if (url.pathname === "/debug/vars") {
    if (onlyGet(request, response)) sendJson(response, options.variables(), "application/json; charset=utf-8");
  } else if (options.profiles?.serve(url, response) === true) return;
  else if (!(await answerProbe(options, url, request, response))) sendText(response, 404, "404 page not found\n");
}

/** What probes and scrapes ask. @returns false: the path is none of theirs */
async function answerProbe(
  options: Pick<ClientHttpOptions, "health" | "metrics">,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (url.pathname === "/metrics") {
    response.setHeader("content-type", options.metrics.contentType);
    response.end(await options.metrics.text());
    return true;
  }
  const isHealth = url.pathname === "/health";
  const checks = isHealth ? [] : checksAt(url.pathname);
  if (checks === undefined) return false;
  if (!onlyGet(request, response)) return true;
  const found = isHealth
    ? await health(options.health, url.searchParams)
    : await runChecks(options.health, checks, url.searchParams);
  if (isHealth && found.status === 200) sendPlain(response, found.text);
  else sendText(response, found.status, found.text);
  return true;
}

// ---- filters before any path ---------------------------------------------------------------------------------

/** Without TLS a page of another site can be made to speak to this port under its own name; the list stops that. */
function hostAllowed(whitelist: readonly string[], { headers, socket }: IncomingMessage): boolean {
  if (whitelist.length === 0 || whitelist.includes("*") || socket instanceof TLSSocket) return true;
  const name = (headers.host ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return whitelist.includes(name);
}

function refuseHost(request: IncomingMessage, response: ServerResponse): void {
  const host = request.headers.host ?? "";
  sendText(
    response,
    421,
    `The host "${host}" is not one this member answers to.\n\nAdd it to --host-whitelist, or use TLS.\n`,
  );
}

const namelessText = "CommonName of client sending a request against gateway will be ignored and not used as expected";

/** The JSON gateway passes no certificate on, and a client that counts on its own must not be taken for nobody. */
function losesItsName({ certificatesMatter }: ClientHttpOptions, { socket }: IncomingMessage): boolean {
  return socket instanceof TLSSocket && commonNameOf(socket.getPeerCertificate()) !== "" && certificatesMatter();
}

function allowOrigin(allowed: readonly string[], request: IncomingMessage, response: ServerResponse): void {
  const { origin } = request.headers;
  const any = allowed.length === 0 || allowed.includes("*");
  if (!any && (origin === undefined || !allowed.includes(origin))) return;
  response.setHeader("access-control-allow-methods", "POST, GET, OPTIONS, PUT, DELETE");
  response.setHeader("access-control-allow-origin", any ? "*" : (origin ?? ""));
  response.setHeader("access-control-allow-headers", "accept, content-type, authorization");
}

// ---- peers ---------------------------------------------------------------------------------------------------

/** Of a cluster with a member of this kind. */
const leastClusterVersion = "3.0.0";
/** On the peer port, beside etcd's own paths. */
export const foundersPath = "/faultline/founders";

export interface PeerHttpOptions extends VersionSource {
  readonly clusterIdHex: string;
  readonly members: () => readonly MemberRecord[];
  /** The members the cluster was founded with: what a member that joins begins from. */
  readonly founders: readonly MemberRecord[];
  /** A member of etcd itself wants to speak Raft in its own form. */
  readonly onForeignPeer: (request: IncomingMessage) => void;
}

export function peerHttp(options: PeerHttpOptions): Server {
  return createServer((request, response) => {
    response.setHeader("x-etcd-cluster-id", options.clusterIdHex);
    switch (request.url) {
      case "/version":
        return sendJson(response, versionsOf(options));
      case "/members":
        response.setHeader("content-type", "application/json");
        response.end(membersText(options.members()));
        return;
      case foundersPath:
        response.setHeader("content-type", "application/json");
        response.end(membersText(options.founders));
        return;
      default:
        // etcd's own members open their streams here. Their log explains this answer, which is one of etcd's own.
        if (request.url?.startsWith("/raft") === true) {
          response.setHeader("x-server-version", etcdVersion);
          response.setHeader("x-min-cluster-version", leastClusterVersion);
          options.onForeignPeer(request);
          return sendText(response, 412, "incompatible version\n");
        }
        return sendText(response, 404, "404 page not found\n");
    }
  });
}

const versionsOf = (options: VersionSource) => ({
  etcdserver: etcdVersion,
  etcdcluster: options.clusterVersion() ?? "not_decided",
  storage: storageVersion,
});

/** etcd's form: ids are bare numbers, beyond what a JavaScript number holds. */
function membersText(members: readonly MemberRecord[]): string {
  const texts = members.map(
    ({ memberId, peerUrls, name, clientUrls, isLearner }) =>
      `{"id":${memberId},"peerURLs":${JSON.stringify(peerUrls)},${isLearner ? `"isLearner":true,` : ""}"name":${JSON.stringify(name)},"clientURLs":${JSON.stringify(clientUrls)}}`,
  );
  return `[${texts.join(",")}]\n`;
}

// ---- answers -------------------------------------------------------------------------------------------------

function onlyGet(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method === "GET") return true;
  response.setHeader("allow", "GET");
  sendText(response, 405, "Method Not Allowed\n");
  return false;
}

/** As etcd's HTTP library writes an error, and etcd a probe that passed: nobody may take it for another kind of text. */
function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("x-content-type-options", "nosniff");
  sendPlain(response, text);
}

function sendPlain(response: ServerResponse, text: string): void {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(text);
}

function sendJson(response: ServerResponse, value: unknown, type = "application/json"): void {
  response.setHeader("content-type", type);
  response.end(JSON.stringify(value));
}
