/*
 * Canonical texts of what a member holds: two members that will do the same have one text, however they came to be so.
 * The text is made of every field there is, found by looking; a field that is added later counts without being named.
 * What is left out is listed here, each with the reason why nothing that a member does can depend on it.
 *
 * A renaming maps member ids to others. Lists in id order are sets: their elements are written in the order of their
 * own texts, so that renamed members give the text that the same events at those others would have led to.
 */

/** New id for each old one; ids are 1..n, position 0 is not used. */
export type Renaming = readonly bigint[];

/** By class, or by the type of a plain record. */
interface LeftOut {
  readonly [kind: string]: readonly string[];
}

/** Never decides anything: fixed for a scenario, derived from other fields, or scratch space. */
const always: LeftOut = {
  // The same in all states; the stub's draws are constant; writes go to leaders, so nothing is forwarded.
  RaftState: ["config", "random", "hasServed", "wasVoter", "former"],
  // Views of `peers` and `self` by half, sums overwritten before each use, and a setting.
  Leadership: ["incoming", "outgoing", "incomingValues", "outgoingValues", "inFlight"],
};

/** What members remember of each other's promises is only told to members that ask. */
const unlessAsked: LeftOut = {
  RaftState: ["witnesses"],
  Leadership: ["heldTurn", "lastHeldTurn"],
  heartbeat: ["held"],
};

/** Classes that hide their fields, so that nothing says what their objects would do: no scenario may come to hold one. */
export const hiding: readonly string[] = ["ReadLease"];

/** Writes values into texts; `asksOthers` as in the scenario. */
export class Canon {
  readonly #fields = new Map<string, readonly string[]>();
  readonly #asksOthers: boolean;

  constructor(options: { readonly asksOthers: boolean }) {
    this.#asksOthers = options.asksOthers;
  }

  /** Data of a machine: numbers, texts, ids, bytes, and lists, maps, sets and records of them. What is none is refused. */
  textOf(value: unknown, renaming: Renaming): string {
    switch (typeof value) {
      case "number":
        return `${value}`;
      case "boolean":
        return value ? "t" : "f";
      case "undefined":
        return "_";
      case "string":
        return JSON.stringify(value);
      case "bigint":
        return `#${renaming[Number(value)] ?? value}`;
      case "object":
        return value === null ? "0" : this.#textOfObject(value, renaming);
      default:
        throw new Error(`a ${typeof value} has no canonical text; leave the field out, with the reason, or hold data`);
    }
  }

  /** Names of what is left out, so that a test can see that they are still there. */
  static leftOut(): readonly { readonly kind: string; readonly field: string }[] {
    return [always, unlessAsked].flatMap((table) =>
      Object.entries(table).flatMap(([kind, fields]) => fields.map((field) => ({ kind, field }))),
    );
  }

  #textOfObject(value: object, renaming: Renaming): string {
    if (Array.isArray(value)) {
      const texts = value.map((element) => this.textOf(element, renaming));
      if (isOfMembers(value)) return `{${inOrder(texts).join(",")}}`;
      return `[${(areMessages(value) ? this.#byReceiver(value, texts, renaming) : texts).join(",")}]`;
    }
    if (value instanceof Uint8Array) return `x${Array.from(value).join(".")}`;
    if (value instanceof Map) {
      const pairs = Array.from(value, ([key, held]) => `${this.textOf(key, renaming)}:${this.textOf(held, renaming)}`);
      return `{${inOrder(pairs).join(",")}}`;
    }
    if (value instanceof Set) {
      return `{${inOrder(Array.from(value, (element) => this.textOf(element, renaming))).join(",")}}`;
    }
    const className = value.constructor.name;
    const held = value as { readonly [field: string]: unknown };
    if (hiding.includes(className)) {
      throw new Error(`a ${className} hides its fields: make them private without #, or leave its option off`);
    }
    if (className === "Inflight") return this.textOf(windowOf(held), renaming);
    let text = "(";
    const kind = className === "Object" && typeof held["type"] === "string" ? held["type"] : className;
    for (const field of this.#fieldsOf(kind, held)) text += `${this.textOf(held[field], renaming)};`;
    return `${text})`;
  }

  /** Messages to one receiver keep their order; those to different ones have none. */
  #byReceiver(
    messages: readonly { readonly to: bigint }[],
    texts: readonly string[],
    renaming: Renaming,
  ): readonly string[] {
    const receivers = messages.map(({ to }) => this.textOf(to, renaming));
    return texts
      .map((text, position) => ({ text, position, to: receivers[position] ?? "" }))
      .sort((a, b) => (a.to === b.to ? a.position - b.position : a.to < b.to ? -1 : 1))
      .map(({ text }) => text);
  }

  /** In the order of their names, those left out gone. Records of one kind always have the same fields. */
  #fieldsOf(kind: string, held: object): readonly string[] {
    const names = Object.keys(held);
    const shape = `${kind} ${names.join(" ")}`;
    const known = this.#fields.get(shape);
    if (known !== undefined) return known;
    const out = [...(always[kind] ?? []), ...(this.#asksOthers ? [] : (unlessAsked[kind] ?? []))];
    const fields = inOrder(names.filter((name) => !out.includes(name)));
    this.#fields.set(shape, fields);
    return fields;
  }
}

/** Where the ring begins, and what it held before, is of no consequence. */
function windowOf(inflight: { readonly [field: string]: unknown }): readonly number[] {
  const { ring, start, used } = inflight;
  if (!Array.isArray(ring) || typeof start !== "number" || typeof used !== "number") {
    throw new Error("core/raft/inflight.ts is not the ring it was: say here what of it matters");
  }
  return Array.from({ length: used }, (_none, offset) => Number(ring[(start + offset) % ring.length]));
}

/** A list with one element for each of some members: in what order they stand says nothing. */
function isOfMembers(list: readonly unknown[]): boolean {
  const first = list[0];
  if (typeof first === "bigint") return true;
  if (typeof first !== "object" || first === null) return false;
  return ("id" in first && typeof first.id === "bigint") || ("memberId" in first && typeof first.memberId === "bigint");
}

function areMessages(list: readonly unknown[]): list is readonly { readonly to: bigint }[] {
  const first = list[0];
  return typeof first === "object" && first !== null && "from" in first && "to" in first;
}

/** By code units: the same everywhere. */
const inOrder = (texts: readonly string[]): readonly string[] => texts.slice().sort((a, b) => (a < b ? -1 : 1));

/** Every renaming of the ids 1..count; the first changes nothing. */
export function renamings(count: number): readonly Renaming[] {
  const ids = Array.from({ length: count }, (_none, position) => BigInt(position + 1));
  const all: Renaming[] = [];
  const extend = (chosen: readonly bigint[]): void => {
    if (chosen.length === count) all.push([0n, ...chosen]);
    for (const id of ids) if (!chosen.includes(id)) extend([...chosen, id]);
  };
  extend([]);
  return all;
}

/** Half of a 64-bit hash of a text; give two different seeds for the two halves. */
export function hashText(text: string, seed: number): number {
  let hash = Math.imul(seed, 0x9e3779b1) | 0;
  for (let position = 0; position < text.length; position++) {
    hash = Math.imul(hash ^ text.charCodeAt(position), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ text.length ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
