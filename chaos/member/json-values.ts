/*
 * JSON as it comes in a request's body: values one after the other, in pieces, each handed over when it is complete.
 * Whole numbers too long for a JavaScript number become strings on the way, which is how 64-bit fields may be written
 * anyway; ids of leases and members would be rounded otherwise.
 */

/** Digits a JavaScript number surely holds. */
const safeDigits = 15;

export class JsonValues {
  readonly #bytesMax: number;
  #text = "";
  /** How far `text` was looked at, and what was found up to there. */
  #position = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  /** @param bytesMax bound of one value; a larger one is refused */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Takes the next piece of the body and gives the texts of the values it completes, one by one: who stops after the first
   * does not hear of what is wrong behind it.
   *
   * @throws SyntaxError on text that is no object or list, or larger than the bound
   */
  *push(piece: Uint8Array): Generator<string, void> {
    try {
      this.#text += this.#decoder.decode(piece, { stream: true });
    } catch {
      throw new SyntaxError("the body is not UTF-8");
    }
    for (let value = this.#next(); value !== undefined; value = this.#next()) yield value;
    if (this.#text.length > this.#bytesMax) throw new SyntaxError("a value of the body is too large");
  }

  /** The body is over. @throws SyntaxError when it ends inside a value */
  end(): void {
    if (this.#text.trim() !== "") throw new SyntaxError("unexpected EOF");
  }

  /** The first complete object or list in the text. */
  #next(): string | undefined {
    const text = this.#text;
    for (let at = this.#position; at < text.length; at++) {
      const letter = text[at];
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (letter === "\\") this.#escaped = true;
        else if (letter === '"') this.#inString = false;
        continue;
      }
      if (letter === '"') this.#inString = true;
      else if (letter === "{" || letter === "[") this.#depth++;
      else if (letter === "}" || letter === "]") this.#depth--;
      else if (this.#depth === 0 && letter !== " " && letter !== "\n" && letter !== "\r" && letter !== "\t") {
        throw new SyntaxError(`invalid character '${letter}' looking for beginning of value`);
      }
      if (this.#depth < 0) throw new SyntaxError(`invalid character '${letter}' looking for beginning of value`);
      if (this.#depth === 0 && (letter === "}" || letter === "]")) {
        this.#text = text.slice(at + 1);
        this.#position = 0;
        return text.slice(0, at + 1).trimStart();
      }
    }
    this.#position = text.length;
    return undefined;
  }
}

/** What the text says. @throws SyntaxError when it is no JSON */
export const parseValue = (text: string): unknown => JSON.parse(quoteLongNumbers(text));

/** The same JSON with every whole number of more than 15 digits as a string. */
export function quoteLongNumbers(json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    token[0] !== '"' && token.length > safeDigits && /^-?\d+$/.test(token) ? `"${token}"` : token,
  );
}
