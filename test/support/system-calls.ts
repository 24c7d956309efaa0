/** System calls of a program with their times, as recorded by `strace`. Only they show if bytes were synced
 *  before they were acknowledged. */
import { readFile } from 'node:fs/promises'
import { run } from './tools.ts'

export interface SystemCall {
  readonly name: string
  /** The paths of its arguments: of the file descriptor where it has one, else of the strings. */
  readonly paths: readonly string[]
  /** Places in the order of all beginnings and ends. */
  readonly begunAt: number
  readonly endedAt: number
  /** Negative when it failed. */
  readonly result: number
}

const TRACED = ['mkdir', 'rename', 'unlink', 'rmdir', 'fsync', 'fdatasync', 'write', 'pwrite64', 'pwritev']

const BEGINNING = /^(\d+)\s+(\w+)\((.*)$/
const CONTINUATION = /^(\d+)\s+<\.\.\. \w+ resumed>(.*)$/
const UNFINISHED = ' <unfinished ...>'
const RESULT = /\)\s+=\s+(-?\d+)[^=]*$/
const DESCRIPTOR = /^\d+<([^>]*)>/
const QUOTED = /"([^"]*)"/g

/** The environment for tracing a Node program. */
export const TRACED_ENVIRONMENT = {
  // Otherwise some calls may pass strace by, through a ring shared with the kernel.
  UV_USE_IO_URING: '0',
  UV_THREADPOOL_SIZE: '16',
}

/** The arguments of strace, in front of those of the program.
 *  @param trace a file for what strace writes */
export function straceArguments(
  trace: string,
  { calls = TRACED }: { calls?: readonly string[] } = {},
): string[] {
  return ['-f', '-qq', '-y', '-e', `trace=${calls}`, '-o', trace]
}

/** Runs a Node program to its end.
 *  @param trace a file for what strace writes */
export async function traceSystemCalls(args: readonly string[], trace: string): Promise<SystemCall[]> {
  await run('strace', [...straceArguments(trace), process.execPath, ...args], {
    environment: TRACED_ENVIRONMENT,
  })
  return readSystemCalls(trace)
}

/** The system calls that strace has written so far. */
export async function readSystemCalls(trace: string): Promise<SystemCall[]> {
  return parse(await readFile(trace, 'utf8'))
}

function parse(trace: string): SystemCall[] {
  const calls: SystemCall[] = []
  const unfinished = new Map<string, { name: string; text: string; begunAt: number }>()
  for (const [place, line] of trace.split('\n').entries()) {
    const [, beginner = '', name = '', text = ''] = BEGINNING.exec(line) ?? []
    const [, resumer = '', rest = ''] = CONTINUATION.exec(line) ?? []
    if (text.endsWith(UNFINISHED)) {
      unfinished.set(beginner, { name, text: text.slice(0, -UNFINISHED.length), begunAt: place })
    } else if (name !== '') {
      calls.push(toCall({ name, text, begunAt: place }, place))
    } else {
      const begun = unfinished.get(resumer)
      if (begun !== undefined) calls.push(toCall({ ...begun, text: begun.text + rest }, place))
    }
  }
  return calls
}

function toCall(begun: { name: string; text: string; begunAt: number }, endedAt: number): SystemCall {
  const { name, text, begunAt } = begun
  const descriptor = DESCRIPTOR.exec(text)?.[1]
  const strings = Array.from(text.matchAll(QUOTED), ([, quoted = '']) => quoted)
  // Writes to the standard output are identified by their text, other calls by their path.
  const paths = descriptor === undefined || /^1</.test(text) ? strings : [descriptor]
  return { name, paths, begunAt, endedAt, result: Number(RESULT.exec(text)?.[1] ?? -1) }
}
