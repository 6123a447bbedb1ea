/*
 * Puts at a steady pace from many clients at once, and what came of them: the load behind etcdctl's checks of a cluster.
 * A client has one put under way at most. When all are busy the pace is lost, not made up for later: a slow cluster shows
 * as fewer writes a second, not as a longer queue.
 */
import { performance } from "node:perf_hooks";

/** One client: an error's text, undefined when the put was answered. */
export type Put = (key: Uint8Array, value: Uint8Array) => Promise<string | undefined>;

export interface LoadOptions {
  readonly clients: readonly Put[];
  /** undefined: as fast as the clients are. */
  readonly writesPerSecond: number | undefined;
  /** The load ends with the first of these. */
  readonly durationMs?: number;
  readonly writesMax?: number;
  readonly keyOf: (position: number) => Uint8Array;
  readonly valueBytes: number;
  /** Called now and then. */
  readonly onProgress?: (done: { readonly writes: number; readonly elapsedMs: number }) => void;
  readonly signal: AbortSignal;
}

export interface LoadResult {
  readonly writes: number;
  readonly writesPerSecond: number;
  readonly slowestSeconds: number;
  readonly deviationSeconds: number;
  /** How often each error came. */
  readonly errors: ReadonlyMap<string, number>;
}

/** Pace that a timer's coarseness cost is made up for within this time. */
const catchUpMs = 20;
const progressMs = 200;

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { clients, durationMs = Number.POSITIVE_INFINITY, writesMax = Number.POSITIVE_INFINITY, signal } = options;
  const intervalMs = options.writesPerSecond === undefined ? 0 : 1_000 / options.writesPerSecond;
  const value = new Uint8Array(options.valueBytes);
  const seconds: number[] = [];
  const errors = new Map<string, number>();
  const beganMs = performance.now();
  let begun = 0;
  let nextMs = beganMs;
  const isOver = (): boolean => signal.aborted || begun >= writesMax || performance.now() - beganMs >= durationMs;

  const work = async (put: Put): Promise<void> => {
    while (!isOver()) {
      const waitMs = nextMs - performance.now();
      if (waitMs > 0) {
        await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 10)));
        continue;
      }
      nextMs = Math.max(nextMs, performance.now() - catchUpMs) + intervalMs;
      const position = begun++;
      const startMs = performance.now();
      const error = await put(options.keyOf(position), value);
      if (error === undefined) seconds.push((performance.now() - startMs) / 1_000);
      else errors.set(error, (errors.get(error) ?? 0) + 1);
    }
  };
  const timer = setInterval(
    () => options.onProgress?.({ writes: seconds.length, elapsedMs: performance.now() - beganMs }),
    progressMs,
  );
  try {
    await Promise.all(clients.map(work));
  } finally {
    clearInterval(timer);
  }
  return { ...statisticsOf(seconds, (performance.now() - beganMs) / 1_000), errors };
}

/** @param seconds how long each write took @param totalSeconds how long all took together */
export function statisticsOf(seconds: readonly number[], totalSeconds: number): Omit<LoadResult, "errors"> {
  const count = seconds.length;
  const mean = count === 0 ? 0 : seconds.reduce((sum, each) => sum + each, 0) / count;
  const variance = count === 0 ? 0 : seconds.reduce((sum, each) => sum + (each - mean) ** 2, 0) / count;
  return {
    writes: count,
    writesPerSecond: totalSeconds === 0 ? 0 : count / totalSeconds,
    slowestSeconds: seconds.reduce((slowest, each) => Math.max(slowest, each), 0),
    deviationSeconds: Math.sqrt(variance),
  };
}
