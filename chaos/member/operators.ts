/*
 * Calls that this process answers itself and that only operators may make: judged by the member before they go on.
 * Source: etcd v3 API, Auth, permission check.
 */
import type { CallTarget } from "./calls.ts";
import type { CallOptions, CallStatus, OpenStream, StreamAnswers, UnaryAnswer } from "./seam.ts";

const operatorPaths: ReadonlySet<string> = new Set([
  "/etcdserverpb.Maintenance/Hash",
  "/etcdserverpb.Maintenance/Defragment",
  "/etcdserverpb.Maintenance/Snapshot",
]);

export class OperatorGate implements CallTarget {
  readonly #target: CallTarget;
  readonly #judge: (options: CallOptions) => CallStatus | undefined;

  /** @param judge what there is to say against that caller */
  constructor(target: CallTarget, judge: (options: CallOptions) => CallStatus | undefined) {
    this.#target = target;
    this.#judge = judge;
  }

  unary(path: string, bytes: Uint8Array, options: CallOptions, to: UnaryAnswer): () => void {
    const refusal = operatorPaths.has(path) ? this.#judge(options) : undefined;
    if (refusal === undefined) return this.#target.unary(path, bytes, options, to);
    to.fail(refusal);
    return () => {};
  }

  open(path: string, options: CallOptions, to: StreamAnswers): OpenStream | undefined {
    const refusal = operatorPaths.has(path) ? this.#judge(options) : undefined;
    if (refusal === undefined) return this.#target.open(path, options, to);
    to.end(refusal);
    return undefined;
  }
}
