/*
 * Text made safe for the three places a report puts it: HTML, XML, and one line of a table. Keys and values come from
 * clients and may hold anything, so nothing reaches a page except through here.
 */

const htmlNames: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for HTML content and quoted attributes. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => htmlNames[character] ?? character);

/** Characters XML 1.0 forbids even when escaped: most control characters, lone surrogates, U+FFFE and U+FFFF. */
const notXml = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/** Text for XML content and quoted attributes; what XML cannot carry becomes U+FFFD. */
export const escapeXml = (text: string): string =>
  text
    .replace(notXml, "\ufffd")
    .replace(/[&<>"']/g, (character) => htmlNames[character] ?? character)
    .replace(/[\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * A key or value as people read it: quoted, printable ASCII as it is, other bytes as \x1f.
 *
 * @param bytes text of one character a byte
 * @param shownMax longer ones are cut, with their length behind them
 */
export function quoteBytes(bytes: string, shownMax = 64): string {
  const shown = bytes.length > shownMax ? bytes.slice(0, shownMax) : bytes;
  const escaped = shown.replace(/[^ -~]|["\\]/g, (character) =>
    character === '"' || character === "\\"
      ? `\\${character}`
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return bytes.length > shownMax ? `"${escaped}…" (${bytes.length} bytes)` : `"${escaped}"`;
}

/** Milliseconds as people read them: 12 ms, 3.250 s, 2 m 05 s. */
export function durationText(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1_000).toFixed(durationMs < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(durationMs / 1_000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
}

/** 1234567 → 1,234,567, the same in every locale. */
export const countText = (count: number): string => String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
