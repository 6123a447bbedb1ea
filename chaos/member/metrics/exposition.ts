/*
 * Metrics as text, in Prometheus's form: families with a name, a type and samples, most of them read when somebody asks.
 * Only what takes time is recorded as it comes, in tallies. Source: Prometheus exposition format 0.0.4.
 */

export type Labels = { readonly [name: string]: string };

export interface Sample {
  readonly labels?: Labels;
  readonly value: number | Tally;
}

export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** What it says now; a histogram's values are tallies. */
  readonly read: () => Iterable<Sample>;
}

/** How often something was at most so large; a bound of its own takes all that is larger. */
export class Tally {
  readonly bounds: readonly number[];
  /** For each bound, those above the bound before it; the last place is for those above all. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let place = 0;
    while (place < this.bounds.length && value > (this.bounds[place] as number)) place += 1;
    this.counts[place] = (this.counts[place] ?? 0) + 1;
    this.sum += value;
  }
}

/** Bounds of a histogram: so many, each `factor` times the one before. */
export const powers = (first: number, factor: number, count: number): number[] =>
  Array.from({ length: count }, (_none, power) => first * factor ** power);

/** A family without labels. */
export function plain(type: "counter" | "gauge", name: string, help: string, value: () => number): Family {
  return { name, type, help, read: () => [{ value: value() }] };
}

/** A family of several samples. */
export const labelled = (
  type: "counter" | "gauge",
  name: string,
  help: string,
  read: () => Iterable<Sample>,
): Family => ({ name, type, help, read });

/** One tally as a histogram. */
export const histogram = (name: string, help: string, tally: Tally): Family => ({
  name,
  type: "histogram",
  help,
  read: () => [{ value: tally }],
});

/** Tallies by their labels, made when they are first needed. */
export class TallyTable {
  readonly #bounds: readonly number[];
  readonly #labelNames: readonly string[];
  readonly #samples = new Map<string, { readonly labels: Labels; readonly value: Tally }>();

  constructor(bounds: readonly number[], labelNames: readonly string[]) {
    this.#bounds = bounds;
    this.#labelNames = labelNames;
  }

  /** @param values one for each label */
  of(...values: readonly string[]): Tally {
    const key = values.join("\n");
    let sample = this.#samples.get(key);
    if (sample === undefined) {
      const labels = Object.fromEntries(this.#labelNames.map((name, position) => [name, values[position] ?? ""]));
      sample = { labels, value: new Tally(this.#bounds) };
      this.#samples.set(key, sample);
    }
    return sample.value;
  }

  family(name: string, help: string): Family {
    return { name, type: "histogram", help, read: () => this.#samples.values() };
  }
}

/** All families, one after the other; those without a sample are named nonetheless. */
export function exposed(families: Iterable<Family>): string {
  const lines: string[] = [];
  for (const { name, type, help, read } of families) {
    lines.push(`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`);
    for (const { labels = {}, value } of read()) {
      if (typeof value === "number") lines.push(`${name}${labelText(labels)} ${numberText(value)}`);
      else writeTally(lines, name, labels, value);
    }
  }
  return `${lines.join("\n")}\n`;
}

function writeTally(lines: string[], name: string, labels: Labels, { bounds, counts, sum }: Tally): void {
  let count = 0;
  for (let place = 0; place <= bounds.length; place++) {
    count += counts[place] ?? 0;
    const le = place === bounds.length ? "+Inf" : String(bounds[place]);
    lines.push(`${name}_bucket${labelText({ ...labels, le })} ${count}`);
  }
  lines.push(`${name}_sum${labelText(labels)} ${numberText(sum)}`, `${name}_count${labelText(labels)} ${count}`);
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

const numberText = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
