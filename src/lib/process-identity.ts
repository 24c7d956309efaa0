import { hash, randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A unique name of a file that identifies this process, so that others can tell whether the process that
 *  made the file still runs. Each call returns another one. */
export function newMark(): string {
  return [machine(), process.pid, startOf(process.pid) ?? UNKNOWN_START, randomUUID().slice(0, 8)].join('-')
}

/** Matches one mark, at the beginning of a text. */
const MARK = /^([0-9a-f]{12})-(\d+)-(\d+)-[0-9a-f]{8}/
const UNKNOWN_START = 0

/** The state of the process that made a mark. `unknown` if it ran on another machine or in another container,
 *  or if its process number is in use but may belong to another process. */
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

/** Identifies one boot of one machine, and one PID namespace on it. */
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

/** Start time of a process in clock ticks since boot (proc(5)); -1 for a zombie. Undefined if the system has
 *  no /proc. */
function startOf(pid: number): number | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The second field is the program's name in parentheses, and may contain anything.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined) return undefined
  return fields[0] === 'Z' || fields[0] === 'X' ? -1 : Number(fields[19])
}

/** The result of reading. Undefined if the file does not exist or may not be read. */
function attempt(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
