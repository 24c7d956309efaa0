import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'

export interface CommandShape<Options extends ParseArgsOptionsConfig> {
  /** The output of `--help`. */
  readonly help: string
  readonly options: Options
}

/** Parses the arguments of a command. Undefined if help was requested, which is printed.
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

/** @throws UsageError if there are more */
export function atMostOne(operands: readonly string[]): string | undefined {
  if (operands.length > 1) throw new UsageError(`one file at most, not ${operands.join(' ')}`)
  return operands[0]
}
