/*
 * Checks that stay on everywhere. A failed one stops the member; both worlds report that as a found bug.
 * The text is a constant, never a template: a constant is free, a template costs on every call.
 */

/** A broken invariant: never a refusal, never a failure of the world. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/** Throws {@link InvariantViolation} when the condition is false; `a` and `b` are shown beside the text. */
export function assert(condition: boolean, text: string, a?: unknown, b?: unknown): asserts condition {
  if (!condition) {
    throw new InvariantViolation(a === undefined ? text : b === undefined ? `${text} (${a})` : `${text} (${a}, ${b})`);
  }
}

/** The default branch of a switch over a union: a new variant becomes a compile error. */
export function unreachable(value: never): never {
  const text = JSON.stringify(value, (_key, field: unknown) => (typeof field === "bigint" ? `${field}` : field));
  throw new InvariantViolation(`unreachable variant ${text}`);
}
