import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'

/** Reads a password: typed twice without echo, or from standard input without its last line end.
 *  @throws Error if the two differ */
export async function readPassword(): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).replace(/\r?\n$/, '')
  const first = await askPassword('Password: ')
  if ((await askPassword('Again: ')) !== first) throw new Error('the passwords differ')
  return first
}

/** Asks on the terminal, without echo. */
export function askPassword(prompt: string): Promise<string> {
  process.stderr.write(prompt)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  return ask('', silent).finally(() => process.stderr.write('\n'))
}

/** Asks on the terminal. */
export function askLine(prompt: string): Promise<string> {
  return ask(prompt, process.stderr)
}

async function ask(prompt: string, output: NodeJS.WritableStream): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  lines.on('SIGINT', () => process.exit(130))
  try {
    return await lines.question(prompt)
  } finally {
    lines.close()
  }
}
