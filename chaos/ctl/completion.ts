/*
 * Scripts by which shells complete etcdctl's and etcdutl's verbs and flags, made from the tree of commands. Nothing is
 * asked of a cluster while a person types. Source: etcd v3 contract, etcdctl, completion.
 */
import type { Command } from "commander";

const shells = ["bash", "zsh", "fish", "powershell"] as const;
export type Shell = (typeof shells)[number];

/** @param tool the name the program is known by, for instance `etcdctl` */
export function addCompletionVerb(program: Command, tool: string): void {
  const completion = program.command("completion").description("a script that makes a shell complete verbs and flags");
  for (const shell of shells) {
    completion
      .command(shell)
      .description(hints[shell].replaceAll("TOOL", tool))
      .action(() => void process.stdout.write(completionScript(shell, program, tool)));
  }
}

const hints: { readonly [name in Shell]: string } = {
  bash: "for a session: source <(TOOL completion bash)",
  zsh: "for a session: source <(TOOL completion zsh)",
  fish: "for a session: TOOL completion fish | source",
  powershell: "for a session: TOOL completion powershell | Out-String | Invoke-Expression",
};

interface Place {
  /** Verbs on the way, each behind a blank: "" or " member add". */
  readonly path: string;
  readonly verbs: readonly { readonly name: string; readonly description: string }[];
  readonly flags: readonly string[];
}

function placesOf(command: Command, path = "", globalFlags: readonly string[] = []): Place[] {
  const own = command.options.flatMap(({ long, short }) => [long, short]).filter((flag) => flag !== undefined);
  const flags = [...new Set([...own, ...globalFlags, "--help"])];
  const verbs = command.commands.map((each) => ({ name: each.name(), description: each.description() }));
  const below = command.commands.flatMap((each) =>
    placesOf(each, `${path} ${each.name()}`, path === "" && command.parent === null ? flags : globalFlags),
  );
  return [{ path, verbs, flags }, ...below];
}

function completionScript(shell: Shell, program: Command, tool: string): string {
  const places = placesOf(program);
  switch (shell) {
    case "bash":
      return bashScript(places, tool);
    case "zsh":
      return `#compdef ${namesOf(tool).join(" ")}\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(places, tool)}`;
    case "fish":
      return fishScript(places, tool);
    case "powershell":
      return powershellScript(places, tool);
  }
}

/** As etcd's own tool is called, and as this package installs it. */
const namesOf = (tool: string): string[] => [tool, `faultline-${tool}`];

function bashScript(places: readonly Place[], tool: string): string {
  const paths = places.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  const cases = places.map(
    ({ path, verbs, flags }) =>
      `    "${path}") verbs="${verbs.map(({ name }) => name).join(" ")}"; flags="${flags.join(" ")}" ;;`,
  );
  return `_${tool}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" path="" verbs="" flags="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
      ${paths.join(" | ")}) path="$path \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$verbs" -- "$cur"))
  fi
}
complete -o default -F _${tool} ${namesOf(tool).join(" ")}
`;
}

function fishScript(places: readonly Place[], tool: string): string {
  const quoted = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const lines = namesOf(tool).flatMap((name) =>
    places.flatMap(({ path, verbs, flags }) => {
      const words = path.trim().split(" ");
      const here =
        path === ""
          ? "__fish_use_subcommand"
          : words.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
      const condition = `-n ${quoted(here)}`;
      return [
        ...verbs.map((verb) => `complete -c ${name} -f ${condition} -a ${verb.name} -d ${quoted(verb.description)}`),
        ...flags
          .filter((flag) => flag.startsWith("--"))
          .map((flag) => `complete -c ${name} ${condition} -l ${flag.slice(2)}`),
      ];
    }),
  );
  return `${lines.join("\n")}\n`;
}

function powershellScript(places: readonly Place[], tool: string): string {
  const rows = places.map(({ path, verbs, flags }) => {
    const words = [...verbs.map(({ name }) => name), ...flags].map((word) => `'${word}'`);
    return `    '${path.trim()}' = @(${words.join(", ")})`;
  });
  return `Register-ArgumentCompleter -Native -CommandName ${namesOf(tool).join(", ")} -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @{
${rows.join("\n")}
  }
  $path = ''
  foreach ($element in ($commandAst.CommandElements | Select-Object -Skip 1)) {
    $longer = ($path + ' ' + $element.ToString()).Trim()
    if ($words.ContainsKey($longer)) { $path = $longer }
  }
  $words[$path] | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}
