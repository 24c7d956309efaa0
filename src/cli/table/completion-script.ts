import type { Command } from './command.ts'

/** What is completed after a command's name. */
interface Completed {
  readonly name: string
  readonly summary: string
  readonly words: readonly string[]
  readonly options: ReadonlyArray<{
    readonly name: string
    readonly short?: string
    readonly takesValue: boolean
  }>
}

/** The script of a shell, made from the table of commands. */
export async function completionScript(
  shell: 'bash' | 'zsh' | 'fish',
  commands: readonly Command[],
): Promise<string> {
  return { bash, zsh, fish }[shell](await completed(commands))
}

async function completed(commands: readonly Command[]): Promise<Completed[]> {
  return Promise.all(
    commands.map(async ({ name, summary, load }) => {
      const { options, words = [] } = await load()
      const own = Object.entries(options).map(([option, { type, short }]) => ({
        ...{ name: option, takesValue: type === 'string' },
        ...(short && { short }),
      }))
      return {
        ...{ name, summary },
        words,
        options: [...own, { name: 'help', short: 'h', takesValue: false }],
      }
    }),
  )
}

/** After an option that takes a value, and wherever no word of ours fits, files are completed. */
function bash(commands: readonly Completed[]): string {
  const cases = commands.map(
    ({ name, words, options }) =>
      `    ${name}) words='${words.join(' ')}' options='${longNames(options)}' valued='${valued(options)}' ;;`,
  )
  return `# bash completion of entrepot
_entrepot() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words= options= valued=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} --help --version' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  case " $valued " in *" $before "*) return ;; esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "$words" -- "$word")); fi ;;
  esac
}
complete -o default -F _entrepot entrepot
`
}

function zsh(commands: readonly Completed[]): string {
  const names = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`)
  const cases = commands.map(
    ({ name, words, options }) =>
      `    ${name}) words_of=(${words.join(' ')}) options_of=(${longNames(options)}) valued=(${valued(options)}) ;;`,
  )
  return `#compdef entrepot
# zsh completion of entrepot
_entrepot() {
  local -a commands words_of options_of valued
  commands=(
${names.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
${cases.join('\n')}
  esac
  if (( $valued[(Ie)$words[CURRENT-1]] )); then
    _files
  elif [[ $PREFIX == -* ]]; then
    compadd -- $options_of
  elif (( CURRENT == 3 && $#words_of )); then
    compadd -- $words_of
  else
    _files
  fi
}
if [ "$funcstack[1]" = _entrepot ]; then _entrepot "$@"; else compdef _entrepot entrepot; fi
`
}

function fish(commands: readonly Completed[]): string {
  const lines = commands.flatMap(({ name, summary, words, options }) => {
    const after = `__fish_seen_subcommand_from ${name}`
    const next = `${after}; and not __fish_seen_subcommand_from ${words.join(' ')}`
    return [
      `complete -c entrepot -n __fish_use_subcommand -f -a ${name} -d '${quoted(summary)}'`,
      ...words.map((word) => `complete -c entrepot -n '${next}' -f -a ${word}`),
      ...options.map(
        ({ name: option, short, takesValue }) =>
          `complete -c entrepot -n '${after}' -l ${option}${short ? ` -s ${short}` : ''}${takesValue ? ' -r' : ''}`,
      ),
    ]
  })
  return `# fish completion of entrepot\n${lines.join('\n')}\n`
}

function longNames(options: Completed['options']): string {
  return options.map(({ name }) => `--${name}`).join(' ')
}

function valued(options: Completed['options']): string {
  return options
    .filter(({ takesValue }) => takesValue)
    .flatMap(({ name, short }) => [`--${name}`, ...(short ? [`-${short}`] : [])])
    .join(' ')
}

function quoted(text: string): string {
  return text.replaceAll("'", '').replaceAll(':', '\\:')
}
