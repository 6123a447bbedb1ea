/*
 * The project's own source files and what each imports, read as text: what the boundary tests look at.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without comments; strings stay. */
  readonly code: string;
  readonly imports: readonly string[];
}

/** Static imports and exports, imports for effect, dynamic imports. */
const importPatterns: readonly RegExp[] = [
  /^(?:import|export)\b[^;"']*\bfrom\s+"([^"]+)"/gm,
  /^import\s+"([^"]+)"/gm,
  /\bimport\(\s*"([^"]+)"\s*\)/g,
];

/** Every .ts file below these folders, generated code left out. */
export function sourceFiles(folders: readonly string[]): readonly SourceFile[] {
  return folders.flatMap((folder) => filesBelow(join(root, folder))).map(readSource);
}

/** An import as a path from the root, or the package name as written. */
export function resolveImport(from: SourceFile, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return normalize(join(dirname(from.path), specifier))
    .split(sep)
    .join("/");
}

/** Code with every comment blanked out, line numbers kept. */
export function withoutComments(text: string): string {
  return text.replaceAll(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (match, quoted) => (quoted === undefined ? match.replaceAll(/[^\n]/g, " ") : match),
  );
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      if (entry.isDirectory())
        return entry.name === "gen" || entry.name === "node_modules" ? [] : filesBelow(join(folder, entry.name));
      return entry.name.endsWith(".ts") ? [join(folder, entry.name)] : [];
    });
}

function readSource(file: string): SourceFile {
  const text = readFileSync(file, "utf8");
  const code = withoutComments(text);
  const imports = importPatterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] as string));
  return { path: relative(root, file).split(sep).join("/"), text, code, imports };
}
