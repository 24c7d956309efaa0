import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'

export interface CommandShape<Options extends ParseArgsOptionsConfig> {
  /** What `--help` prints. */
  readonly help: string
  readonly options: Options
}

/** Reads the words behind a command; undefined when all they ask for is help, which is then printed.
 *  @throws UsageError */
export function parseCommand<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  { help, options }: CommandShape<Options>,
) {
  try {
    const parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...options, help: { type: 'boolean', short: 'h' } as const },
    })
    if (!(parsed.values as { help?: boolean }).help) return parsed
    process.stdout.write(help)
    return undefined
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
