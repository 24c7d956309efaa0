/** SIGKILL before or after one system call of a process, by `strace`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Which call. strace counts the calls of each thread, and of each kind, by itself: all must be of one thread. In Node that is the pool's,
 *  if its size is 1 (`UV_THREADPOOL_SIZE`) and no call is synchronous. */
export interface CallMoment {
  /** As strace calls it, such as `rename`. */
  readonly call: string
  /** The how manyth of its kind from now on, from 1. */
  readonly time: number
  readonly when: 'before' | 'after'
}

/** A process that is about to be killed. */
export interface ArmedKill {
  /** The call, as strace shows it, once the process was killed there. */
  readonly call: () => string | undefined
  /** How many calls of the kind were begun. */
  readonly count: () => number
  /** Lets the process live, if it still does. */
  disarm(): Promise<void>
}

/** Longer than it takes to kill a process, in microseconds. */
const DELAY_US = 60_000_000

/** How strace is told. A signal that kills is delivered when the call begins, and Linux does not make the call then. There is none for
 *  the end of a call: its thread is kept from going on instead, and is killed meanwhile. */
const INJECTED = { before: 'signal=KILL', after: `delay_exit=${DELAY_US}` } as const

export async function killAtCall(pid: number, { call, time, when }: CallMoment): Promise<ArmedKill> {
  const inject = `inject=${call}:${INJECTED[when]}:when=${time}`
  const args = ['-f', '-p', `${pid}`, '-e', `trace=${call}`, '-e', inject]
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const lines = createInterface({ input: strace.stderr })
  const ended = Promise.all([once(strace, 'close'), once(lines, 'close')])
  const attached = Promise.withResolvers<void>()
  let said = ''
  let last: string | undefined
  let count = 0
  lines.on('line', (line) => {
    said ||= line
    if (line.includes(`${call}(`)) count++
    if (line.includes(' attached')) attached.resolve()
    const isThere = line.endsWith(when === 'before' ? ' = ?' : '(DELAYED)')
    if (isThere || line.includes('killed by SIGKILL')) last ??= line
    if (isThere) end(strace, when === 'after' ? pid : undefined)
  })
  await Promise.race([
    attached.promise,
    ended.then(() => Promise.reject(new Error(`strace has ended: ${said}`))),
  ])
  return {
    call: () => last,
    count: () => count,
    async disarm() {
      strace.kill()
      await ended
    },
  }
}

/** Ends strace, which is not needed any more. Before a call the process has got its signal by then. strace would wait for each of its
 *  threads, and now and then for ever, if the main thread is the first that is gone. After a call it would wait for the end of the delay.
 *  @param pid of the process, if it must be killed */
function end(strace: ChildProcess, pid: number | undefined): void {
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  strace.kill('SIGKILL')
}
