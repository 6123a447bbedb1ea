/*
 * How a person, or whoever started it, ends a drill before its time.
 */
/** As shells have it. */
const interruptedExitCode = 130;

/** Ctrl-C and its like: the first asks for an orderly end, the second ends at once. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #handle = () => {
    if (this.#controller.signal.aborted) process.exit(interruptedExitCode);
    process.stderr.write("\nfaultline: ending; again to end at once\n");
    this.#controller.abort();
  };

  constructor() {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, this.#handle);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** As if Ctrl-C had been pressed once. */
  readonly interrupt = (): void => this.#controller.abort();

  close(): void {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(name, this.#handle);
  }
}
