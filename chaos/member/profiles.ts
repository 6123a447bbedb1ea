/*
 * /debug/pprof/: what this runtime can tell of its processor time and memory, under the paths operators know. The forms
 * are V8's, for a browser's developer tools; what only Go has is refused by name. Source: etcd v3 HTTP surface, §4 debug.
 */
import type { ServerResponse } from "node:http";
import { Session } from "node:inspector/promises";

const prefix = "/debug/pprof";
/** Seconds one profile may take. */
const secondsMax = 300;

const index = `profiles of this process, in V8's forms (open them in a browser's developer tools)

profile   processor time; ?seconds=30; .cpuprofile
heap      allocations that are still alive, sampled; ?seconds=5; .heapprofile
allocs    the same
cmdline   the command line, its words separated by NUL
`;
const ofGoAlone = ["goroutine", "threadcreate", "block", "mutex", "symbol", "trace"];

export class Profiles {
  #busy = false;

  /** @returns false: the path is not below /debug/pprof */
  serve(url: URL, response: ServerResponse): boolean {
    if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) return false;
    const name = url.pathname.slice(prefix.length + 1);
    const text = (status: number, body: string): void => {
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
      response.end(body);
    };
    if (name === "") text(200, index);
    else if (name === "cmdline") text(200, process.argv.join("\0"));
    else if (ofGoAlone.includes(name)) {
      text(501, `${name}: this member is no Go program and has no such profile; there are profile, heap and cmdline\n`);
    } else if (name === "profile" || name === "heap" || name === "allocs") {
      const seconds = Number(url.searchParams.get("seconds") ?? (name === "profile" ? 30 : 5));
      if (!(seconds > 0 && seconds <= secondsMax)) {
        text(400, `seconds: give a number above 0 and up to ${secondsMax}\n`);
      } else if (this.#busy) text(500, "Could not enable profiling: another profile is being taken\n");
      else void this.#take(name === "profile" ? cpu : heap, seconds * 1_000, response);
    } else text(404, "Unknown profile\n");
    return true;
  }

  async #take(kind: Kind, durationMs: number, response: ServerResponse): Promise<void> {
    this.#busy = true;
    const session = new Session();
    try {
      session.connect();
      await kind.start(session);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, durationMs);
        response.once("close", () => {
          clearTimeout(timer);
          resolve();
        });
      });
      const profile = await kind.stop(session);
      response.writeHead(200, {
        "content-type": "application/json",
        "content-disposition": `attachment; filename="${kind.fileName}"`,
      });
      response.end(JSON.stringify(profile));
    } catch (error) {
      response.writeHead(500, { "content-type": "text/plain; charset=utf-8" });
      response.end(`Could not enable profiling: ${error instanceof Error ? error.message : String(error)}\n`);
    } finally {
      session.disconnect();
      this.#busy = false;
    }
  }
}

interface Kind {
  readonly fileName: string;
  start(session: Session): Promise<void>;
  stop(session: Session): Promise<unknown>;
}

const cpu: Kind = {
  fileName: "etcd.cpuprofile",
  async start(session) {
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
  },
  async stop(session) {
    return (await session.post("Profiler.stop")).profile;
  },
};

const heap: Kind = {
  fileName: "etcd.heapprofile",
  async start(session) {
    await session.post("HeapProfiler.startSampling");
  },
  async stop(session) {
    return (await session.post("HeapProfiler.stopSampling")).profile;
  },
};
