import { hash, randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A mark that is this process's alone, for names of files: whoever finds such a file can tell whether the process that
 *  made it still runs. Every call returns another one. */
export function newMark(): string {
  return [machine(), process.pid, startOf(process.pid) ?? UNKNOWN_START, randomUUID().slice(0, 8)].join('-')
}

/** Matches one mark, at the beginning of a text. */
const MARK = /^([0-9a-f]{12})-(\d+)-(\d+)-[0-9a-f]{8}/
const UNKNOWN_START = 0

/** Tells whether the process that made a mark still runs. `unknown` if it ran elsewhere, in another container too, or
 *  if a process of this number runs that may be another one. */
export function stateOf(mark: string): 'runs' | 'gone' | 'unknown' {
  const [, where, pid, start] = MARK.exec(mark) ?? []
  if (where !== machine()) return 'unknown'
  if (!isNumberTaken(Number(pid))) return 'gone'
  const current = startOf(Number(pid))
  if (current === undefined || Number(start) === UNKNOWN_START) return 'unknown'
  return current === Number(start) ? 'runs' : 'gone'
}

/** The number of the process that made a mark, for messages. */
export function pidOf(mark: string): number | undefined {
  const pid = MARK.exec(mark)?.[2]
  return pid === undefined ? undefined : Number(pid)
}

/** One boot of one machine, and one set of process numbers on it. */
function machine(): string {
  const parts = [
    hostname(),
    attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    attempt(() => readlinkSync('/proc/self/ns/pid')),
  ]
  return hash('sha256', parts.join('\n')).slice(0, 12)
}

function isNumberTaken(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** When a process began, in ticks since the machine did (proc(5)); -1 for one that has ended and only waits for its
 *  parent to hear of it. Undefined where the system does not tell. */
function startOf(pid: number): number | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The second field is the program's name in parentheses, whatever it consists of.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined) return undefined
  return fields[0] === 'Z' || fields[0] === 'X' ? -1 : Number(fields[19])
}

/** Undefined on systems that have no such file, and where it may not be read. */
function attempt(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
