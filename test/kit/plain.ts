/*
 * Any answer as text: bytes as quoted latin1, ids as decimals, fields in order of name. Two answers are equal when their
 * texts are; a field that is undefined is as good as absent.
 */
import { textOfBytes } from "../../core/bytes.ts";

export function plain(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => {
    if (part instanceof Uint8Array) return textOfBytes(part);
    if (typeof part === "bigint") return `${part}n`;
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
