/*
 * Shapes of JSON values: each is a function that says what is wrong with a value, and where, or nothing. Small enough
 * to read, strict enough that a misspelt field is an error and not a silent default.
 */

/** What is wrong at that place, and what would put it right. */
export interface Flaw {
  /** Like `plan.clients[3].calls[0].operation.op`. */
  readonly place: string;
  readonly problem: string;
  readonly remedy: string;
}

/** Looks at one value; undefined when it fits. */
export type Shape = (value: unknown, place: string) => Flaw | undefined;

export const flawText = ({ place, problem, remedy }: Flaw): string => `${place}: ${problem}; ${remedy}`;

/** How a value is named in a sentence: short, whatever it is. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export const wholeNumber =
  ({ min, max }: { readonly min: number; readonly max: number }): Shape =>
  (value, place) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? undefined
      : { place, problem: `${shown(value)} is no whole number in ${min}..${max}`, remedy: "write one that is" };

export const trueOrFalse: Shape = (value, place) =>
  typeof value === "boolean"
    ? undefined
    : { place, problem: `${shown(value)} is neither true nor false`, remedy: "write one of the two" };

/** A text that is not empty. */
export const name: Shape = (value, place) =>
  typeof value === "string" && value.length > 0
    ? undefined
    : { place, problem: `${shown(value)} is no name`, remedy: "write a text of at least one character" };

/** Bytes as a text of one character each. */
export const bytes: Shape = (value, place) => {
  if (typeof value !== "string") {
    return { place, problem: `${shown(value)} is no text`, remedy: "write the bytes as a text, one character a byte" };
  }
  for (let position = 0; position < value.length; position++) {
    if (value.charCodeAt(position) > 0xff) {
      const problem = `character ${position + 1} of ${shown(value)} is no byte`;
      return { place, problem, remedy: "write UTF-8 bytes one character each, \\u00e2\\u0082\\u00ac for a euro sign" };
    }
  }
  return undefined;
};

export const oneOfTexts =
  (texts: readonly string[]): Shape =>
  (value, place) =>
    typeof value === "string" && texts.includes(value)
      ? undefined
      : { place, problem: `${shown(value)} is not one of ${texts.join(", ")}`, remedy: "write one of these" };

export const listOf =
  (item: Shape): Shape =>
  (value, place) => {
    if (!Array.isArray(value)) return { place, problem: `${shown(value)} is no list`, remedy: "write [ … ]" };
    for (let position = 0; position < value.length; position++) {
      const flaw = item(value[position], `${place}[${position}]`);
      if (flaw !== undefined) return flaw;
    }
    return undefined;
  };

export type Fields = { readonly [field: string]: Shape };

/** Exactly these fields: `needed` must be there, `optional` may be; any other is a flaw. */
export const objectOf =
  (needed: Fields, optional: Fields = {}): Shape =>
  (value, place) => {
    if (!isRecord(value)) return { place, problem: `${shown(value)} is no object`, remedy: "write { … }" };
    for (const field of Object.keys(value)) {
      if (Object.hasOwn(needed, field) || Object.hasOwn(optional, field)) continue;
      const known = [...Object.keys(needed), ...Object.keys(optional)].join(", ");
      return { place: `${place}.${field}`, problem: "is no field known here", remedy: `remove it, or mean: ${known}` };
    }
    return (
      firstFlaw(needed, (field, shape) =>
        Object.hasOwn(value, field)
          ? shape(value[field], `${place}.${field}`)
          : { place: `${place}.${field}`, problem: "is missing", remedy: "add it, or draw the plan again" },
      ) ??
      firstFlaw(optional, (field, shape) =>
        Object.hasOwn(value, field) ? shape(value[field], `${place}.${field}`) : undefined,
      )
    );
  };

function firstFlaw(fields: Fields, look: (field: string, shape: Shape) => Flaw | undefined): Flaw | undefined {
  for (const [field, shape] of Object.entries(fields)) {
    const flaw = look(field, shape);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

/** An object whose shape depends on the text in one of its fields. */
export const byTag =
  (tag: string, shapes: { readonly [text: string]: Shape }): Shape =>
  (value, place) => {
    if (!isRecord(value)) return { place, problem: `${shown(value)} is no object`, remedy: "write { … }" };
    const text = value[tag];
    const shape = typeof text === "string" && Object.hasOwn(shapes, text) ? shapes[text] : undefined;
    if (shape !== undefined) return shape(value, place);
    const known = Object.keys(shapes).join(", ");
    return { place: `${place}.${tag}`, problem: `${shown(text)} is not one of ${known}`, remedy: "write one of these" };
  };

/** What fits either; the flaw told is the one `pick` names. */
export const either =
  (shapes: { readonly yes: Shape; readonly no: Shape }, pick: (value: unknown) => boolean): Shape =>
  (value, place) =>
    (pick(value) ? shapes.yes : shapes.no)(value, place);

/** A shape that is defined later, for shapes that contain themselves. */
export const later =
  (shape: () => Shape): Shape =>
  (value, place) =>
    shape()(value, place);

export function isRecord(value: unknown): value is { readonly [field: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
