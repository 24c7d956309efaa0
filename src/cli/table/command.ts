import type { ParseArgsOptionsConfig } from 'node:util'

/** A command's part that is loaded when it is run, helped with or completed. */
export interface CommandModule {
  /** The output of `--help`. */
  readonly help: string
  readonly options: ParseArgsOptionsConfig
  /** What may follow the command's name, such as `list`. */
  readonly words?: readonly string[]
  /** @throws UsageError; errors that the command ends with */
  run(args: readonly string[]): Promise<void>
}

/** A row of the table of commands. */
export interface Command {
  readonly name: string
  /** As `--help` lists it: the name with its operands. */
  readonly usage: string
  readonly summary: string
  load(): Promise<CommandModule>
}
