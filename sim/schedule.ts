/*
 * The one queue of future events, ordered by (time, class, order of insertion), integers only. A four-ary heap of small
 * objects of one shape; equal times never depend on how the heap is laid out, because the sequence breaks every tie.
 */

/**
 * What is to happen. The world gives the meaning of `kind`, `slot`, `life` and `number`; `payload` is whatever the
 * event carries by reference.
 */
export interface ScheduledEvent {
  readonly timeUs: number;
  readonly kind: number;
  readonly slot: number;
  readonly life: number;
  readonly number: number;
  readonly payload: unknown;
}

const classStep = 17_592_186_044_416; // 2^44
const placesAtFirst = 1_024;

export class Schedule {
  /** Heap order; the two numbers that decide are kept apart from the events, in places that are read side by side. */
  readonly #events: ScheduledEvent[] = [];
  #times = new Float64Array(placesAtFirst);
  /** class · 2^44 + sequence: the order inside one instant. */
  #ranks = new Float64Array(placesAtFirst);
  #sequence = 0;

  get size(): number {
    return this.#events.length;
  }

  /** Time of the next event; undefined when there is none. */
  get nextTimeUs(): number | undefined {
    return this.#events[0]?.timeUs;
  }

  /** @param order 0..255: smaller comes first inside one instant */
  add(timeUs: number, order: number, kind: number, slot: number, life: number, number: number, payload: unknown): void {
    const rank = order * classStep + this.#sequence++;
    const event: ScheduledEvent = { timeUs, kind, slot, life, number, payload };
    const events = this.#events;
    let position = events.length;
    if (position === this.#times.length) this.#grow();
    const times = this.#times;
    const ranks = this.#ranks;
    events.push(event);
    while (position > 0) {
      const parent = (position - 1) >> 2;
      const parentTime = times[parent] as number;
      if (parentTime < timeUs || (parentTime === timeUs && (ranks[parent] as number) < rank)) break;
      events[position] = events[parent] as ScheduledEvent;
      times[position] = parentTime;
      ranks[position] = ranks[parent] as number;
      position = parent;
    }
    events[position] = event;
    times[position] = timeUs;
    ranks[position] = rank;
  }

  /** Removes and returns the earliest event; undefined when there is none. */
  take(): ScheduledEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    const times = this.#times;
    const ranks = this.#ranks;
    const length = events.length;
    const { timeUs } = last;
    const rank = ranks[length] as number;
    let position = 0;
    for (;;) {
      let least = position * 4 + 1;
      if (least >= length) break;
      const end = least + 4 < length ? least + 4 : length;
      let leastTime = times[least] as number;
      for (let child = least + 1; child < end; child++) {
        const time = times[child] as number;
        if (time < leastTime || (time === leastTime && (ranks[child] as number) < (ranks[least] as number))) {
          least = child;
          leastTime = time;
        }
      }
      if (timeUs < leastTime || (timeUs === leastTime && rank < (ranks[least] as number))) break;
      events[position] = events[least] as ScheduledEvent;
      times[position] = leastTime;
      ranks[position] = ranks[least] as number;
      position = least;
    }
    events[position] = last;
    times[position] = timeUs;
    ranks[position] = rank;
    return first;
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const ranks = new Float64Array(times.length);
    times.set(this.#times);
    ranks.set(this.#ranks);
    this.#times = times;
    this.#ranks = ranks;
  }
}
