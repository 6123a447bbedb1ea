/*
 * HTTP/1.1 beside gRPC: health, version and metrics on the client port; version and the member list on the peer port.
 * Source: etcd v3 HTTP surface, health endpoints, version, peer HTTP.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { MemberRecord, Request } from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import type { Metrics } from "./metrics.ts";
import type { Seam } from "./seam.ts";
import { clusterVersion, etcdVersion } from "./version.ts";

export interface ClientHttpOptions {
  readonly seam: Seam;
  readonly metrics: Metrics;
  readonly hasLeader: () => boolean;
}

export function clientHttp(options: ClientHttpOptions): Server {
  return createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://member");
    void (async () => {
      switch (url.pathname) {
        case "/health":
          if (onlyGet(request, response)) await answerHealth(options, url.searchParams, response);
          return;
        case "/livez":
        case "/readyz":
          if (onlyGet(request, response)) await answerChecks(options, url, response);
          return;
        case "/version":
          return sendJson(response, versions);
        case "/metrics":
          response.setHeader("content-type", options.metrics.contentType);
          response.end(await options.metrics.text());
          return;
        default:
          return sendText(response, 404, "404 page not found\n");
      }
    })().catch((error: unknown) => {
      sendText(response, 500, `${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
}

export interface PeerHttpOptions {
  readonly clusterIdHex: string;
  readonly members: () => readonly MemberRecord[];
}

export function peerHttp(options: PeerHttpOptions): Server {
  return createServer((request, response) => {
    response.setHeader("x-etcd-cluster-id", options.clusterIdHex);
    switch (request.url) {
      case "/version":
        return sendJson(response, versions);
      case "/members":
        response.setHeader("content-type", "application/json");
        response.end(membersText(options.members()));
        return;
      default:
        return sendText(response, 404, "404 page not found\n");
    }
  });
}

const versions = { etcdserver: etcdVersion, etcdcluster: clusterVersion, storage: clusterVersion };

/** etcd's form: ids are bare numbers, beyond what a JavaScript number holds. */
function membersText(members: readonly MemberRecord[]): string {
  const texts = members.map(
    ({ memberId, peerUrls, name, clientUrls }) =>
      `{"id":${memberId},"peerURLs":${JSON.stringify(peerUrls)},"name":${JSON.stringify(name)},"clientURLs":${JSON.stringify(clientUrls)}}`,
  );
  return `[${texts.join(",")}]\n`;
}

// ---- health --------------------------------------------------------------------------------------------------

async function answerHealth(
  options: ClientHttpOptions,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const serializable = query.get("serializable") === "true";
  const excluded = query.getAll("exclude");
  const alarm = (await alarms(options.seam)).find((name) => !excluded.includes(name));
  let reason = "";
  if (alarm !== undefined) reason = `ALARM ${alarm}`;
  else if (!serializable && !options.hasLeader()) reason = "RAFT NO LEADER";
  else {
    const problem = await readProblem(options.seam, serializable);
    if (problem !== undefined) reason = `RANGE ERROR:${problem}`;
  }
  sendText(response, reason === "" ? 200 : 503, JSON.stringify({ health: reason === "" ? "true" : "false", reason }));
}

/** /livez: this member reads its own state. /readyz: the cluster answers through it, and nothing is corrupt. */
async function answerChecks(options: ClientHttpOptions, url: URL, response: ServerResponse): Promise<void> {
  const excluded = url.searchParams.getAll("exclude");
  const checks: [string, () => Promise<string | undefined>][] = [
    ["serializable_read", () => readProblem(options.seam, true)],
  ];
  if (url.pathname === "/readyz") {
    checks.push(
      [
        "data_corruption",
        async () => ((await alarms(options.seam)).includes("CORRUPT") ? "alarm activated: CORRUPT" : undefined),
      ],
      ["linearizable_read", () => readProblem(options.seam, false)],
      ["non_learner", async () => undefined],
    );
  }
  const lines: string[] = [];
  let failed = false;
  for (const [name, check] of checks) {
    if (excluded.includes(name)) continue;
    const problem = await check();
    failed ||= problem !== undefined;
    lines.push(problem === undefined ? `[+]${name} ok` : `[-]${name} failed: ${problem}`);
  }
  if (failed) return sendText(response, 503, `${lines.join("\n")}\n`);
  const verbose = url.searchParams.has("verbose") ? `${lines.join("\n")}\n` : "";
  sendText(response, 200, `${verbose}ok\n`);
}

/** Names of active alarms, from this member's own state. */
async function alarms(seam: Seam): Promise<string[]> {
  const status = await ask(seam, { type: "status" });
  if ("problem" in status || status.type !== "status") return [];
  return status.errors.flatMap((text) => /alarm:(\w+)/.exec(text)?.[1] ?? []);
}

async function readProblem(seam: Seam, serializable: boolean): Promise<string | undefined> {
  const found = await ask(seam, {
    type: "range",
    key: new Uint8Array([0]),
    rangeEnd: undefined,
    limit: 1,
    revision: 0,
    sortOrder: "none",
    sortTarget: "key",
    serializable,
    keysOnly: true,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  });
  return "problem" in found ? found.problem : undefined;
}

type Asked = ReturnType<(typeof unaryCalls)["range"]["decodeAnswer"]>["answer"] | { readonly problem: string };

/** A call to this member through its own seam. */
function ask(seam: Seam, request: Request): Promise<Asked> {
  const call = unaryCalls[request.type];
  return new Promise((resolve) => {
    seam.unary(
      call.path,
      call.encodeRequest(request),
      { requireLeader: false },
      {
        answer: (bytes) => resolve(call.decodeAnswer(bytes).answer),
        fail: (status) => resolve({ problem: status.text }),
      },
    );
  });
}

// ---- answers -------------------------------------------------------------------------------------------------

function onlyGet(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method === "GET") return true;
  response.setHeader("allow", "GET");
  sendText(response, 405, "Method Not Allowed\n");
  return false;
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(text);
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
}
