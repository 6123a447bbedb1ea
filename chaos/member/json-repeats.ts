/*
 * A field that stands twice in a JSON object is refused, as the parser of etcd's gateway does it: under one of its two names
 * or under both. What a message does not know is passed over, with all that is in it. JSON.parse takes the last one and
 * says nothing, so the text is looked at. Source: etcd v3 HTTP surface, JSON gateway; proto3's JSON in Go.
 */
import type { DescMessage } from "@bufbuild/protobuf";

/** @param text JSON that can be parsed, from its first letter @throws SyntaxError naming the field and its place */
export function refuseRepeats(message: DescMessage, text: string): void {
  new Scan(text).value(message);
}

/** Everything between two values that is no bracket, comma or colon. */
const space = /[ \t\r\n]*/y;
const string = /"(?:[^"\\]|\\.)*"/y;
const scalar = /[^,\]}\s]+/y;

class Scan {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** @param message of which the value is one, or a list; undefined: nobody knows */
  value(message: DescMessage | undefined): void {
    const first = this.#peek();
    if (first === "{") this.#object(message);
    else if (first === "[") this.#list(message);
    else this.#take(first === '"' ? string : scalar);
  }

  #list(message: DescMessage | undefined): void {
    this.#at += 1;
    while (this.#peek() !== "]") {
      if (this.#peek() === ",") this.#at += 1;
      else this.value(message);
    }
    this.#at += 1;
  }

  #object(message: DescMessage | undefined): void {
    const seen = new Set<number>();
    this.#at += 1;
    while (this.#peek() !== "}") {
      if (this.#peek() === ",") {
        this.#at += 1;
        continue;
      }
      const start = this.#at;
      const name = this.#take(string);
      const field = message === undefined ? undefined : fieldOf(message, JSON.parse(name) as string);
      if (field !== undefined && seen.has(field.number)) {
        throw new SyntaxError(`proto: ${placeIn(this.#text, start)}: duplicate field ${name}`);
      }
      if (field !== undefined) seen.add(field.number);
      this.#peek();
      // The colon.
      this.#at += 1;
      this.value(field?.message);
    }
    this.#at += 1;
  }

  /** The next letter that is no space. */
  #peek(): string {
    this.#take(space);
    return this.#text[this.#at] ?? "}";
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ""] = pattern.exec(this.#text) ?? [];
    this.#at += found.length;
    return found;
  }
}

/** Both names of a field are good. */
const fieldOf = (message: DescMessage, name: string) =>
  message.fields.find((field) => field.jsonName === name || field.name === name);

/** Lines and letters of a line are counted from 1. */
function placeIn(text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  return `(line ${before.length}:${[...(before.at(-1) ?? "")].length + 1})`;
}
