import { parseCommand } from '../parse-command.ts'
import { UsageError } from '../usage-error.ts'
import type { Command, CommandModule } from './command.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

const HELP = `entrepot completion ${SHELLS.join('|')}

Prints a script that completes commands and options in that shell:

  bash   entrepot completion bash > /etc/bash_completion.d/entrepot
  zsh    entrepot completion zsh > "\${fpath[1]}/_entrepot"
  fish   entrepot completion fish > ~/.config/fish/completions/entrepot.fish
`

/** `entrepot completion`. */
export function completionCommand(commands: readonly Command[]): CommandModule {
  return {
    help: HELP,
    options: {},
    words: SHELLS,
    async run(args) {
      const parsed = parseCommand(args, { help: HELP, options: {} })
      if (parsed === undefined) return
      const [word, ...others] = parsed.positionals
      const shell = SHELLS.find((one) => one === word)
      if (shell === undefined || others.length > 0)
        throw new UsageError(`completion takes ${SHELLS.join(', ')}`)
      const { completionScript } = await import('./completion-script.ts')
      process.stdout.write(await completionScript(shell, commands))
    },
  }
}
