/*
 * What a workload is mixed from. A source is one kind of operation (puts, reads, leases); it starts anew for each
 * client, so it may remember what that client did. Its values and leases are unique in the plan: they carry the
 * number of the call that writes them.
 */
import type { Random } from "../../core/index.ts";
import type { PlannedOperation } from "../plan.ts";

/** What a source knows of the client it draws for. */
export interface SourceContext {
  readonly client: number;
  /** Keys all clients share, in byte order; never empty. */
  readonly keys: readonly [string, ...string[]];
}

/** The call an operation is drawn for. */
export interface CallContext {
  readonly callId: number;
  readonly random: Random;
}

export interface OperationSource {
  readonly name: string;
  /** How often, relative to the other sources. */
  readonly weight: number;
  /** Draws one operation a call, for one client. */
  begin(context: SourceContext): (call: CallContext) => PlannedOperation;
}

/** Names of so many keys, in byte order: k00, k01, … */
export function keyNames(count: number): [string, ...string[]] {
  const names: [string, ...string[]] = ["k00"];
  for (let number = 1; number < count; number++) names.push(`k${String(number).padStart(2, "0")}`);
  return names;
}

/** [keysFrom, keysEnd) holds every key of {@link keyNames} and no key of a lease or a lock. */
export const keysFrom = "k";
export const keysEnd = "l";

/** A value no other call writes; `part` tells the puts of one call apart. */
export function uniqueValue(call: CallContext, part = ""): string {
  const value = `v${call.callId}${part}`;
  return call.random.below(50) === 0 ? value.padEnd(1_024, ".") : value;
}
