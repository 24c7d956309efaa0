import { parseCommand } from '../parse-command.ts'
import { type OptionTexts, parseArgsOptions } from './options.ts'
import { type ConnectionValues, Registries } from './registries.ts'

export interface SessionShape<Options extends OptionTexts> {
  readonly help: string
  readonly options: Options
}

/** Parses the arguments of a command that speaks to registries, and runs it with clients that are closed after it.
 *  @throws UsageError; errors of `work` */
export async function withRegistries<const Options extends OptionTexts>(
  args: readonly string[],
  { help, options }: SessionShape<Options>,
  work: (
    parsed: NonNullable<ReturnType<typeof parseCommand<Options>>> & { registries: Registries },
  ) => Promise<void>,
): Promise<void> {
  const parsed = parseCommand(args, { help, options: parseArgsOptions(options) })
  if (parsed === undefined) return
  const registries = new Registries(parsed.values as ConnectionValues)
  try {
    await work({ ...parsed, registries } as Parameters<typeof work>[0])
  } finally {
    await registries.close()
  }
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
