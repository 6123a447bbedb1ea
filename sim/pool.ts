/*
 * Many runs over the cores of this machine. Answers are handed on in the order of the tasks, whatever thread is faster,
 * so that the output of a campaign does not depend on the weather.
 */
import { Piscina } from "piscina";
import runTask, { type RunAnswer, type RunTask } from "./worker.ts";

export interface PoolOptions {
  /** Threads; 1 runs in this one. */
  readonly jobs: number;
  readonly onAnswer: (answer: RunAnswer, task: RunTask) => void;
  /** Aborted: no task is begun any more, those under way are given up. */
  readonly signal: AbortSignal;
}

/** Resolves when every task was answered, or when the signal ends it early. */
export async function runTasks(tasks: readonly RunTask[], options: PoolOptions): Promise<void> {
  if (options.jobs === 1 || tasks.length === 1) await runHere(tasks, options);
  else await runOnThreads(tasks, options);
}

async function runHere(tasks: readonly RunTask[], { onAnswer, signal }: PoolOptions): Promise<void> {
  for (const task of tasks) {
    // Lets a signal come through between two runs.
    await new Promise((resolve) => setImmediate(resolve));
    if (signal.aborted) return;
    onAnswer(runTask(task), task);
  }
}

async function runOnThreads(tasks: readonly RunTask[], { jobs, onAnswer, signal }: PoolOptions): Promise<void> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const pool = new Piscina<RunTask, RunAnswer>({
    filename: new URL(`./worker.${extension}`, import.meta.url).href,
    minThreads: jobs,
    maxThreads: jobs,
    ...(extension === "ts" ? { execArgv: ["--import", "tsx"] } : {}),
  });
  const waiting = new Map<number, RunAnswer>();
  let nextOut = 0;
  let nextIn = 0;
  const runOne = async (): Promise<void> => {
    while (nextIn < tasks.length && !signal.aborted) {
      const position = nextIn++;
      const task = tasks[position];
      if (task === undefined) return;
      waiting.set(position, await pool.run(task, { signal }));
      for (let answer = waiting.get(nextOut); answer !== undefined; answer = waiting.get(nextOut)) {
        waiting.delete(nextOut);
        onAnswer(answer, tasks[nextOut] ?? task);
        nextOut += 1;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, runOne));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await pool.destroy();
  }
}
