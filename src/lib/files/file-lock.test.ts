import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { newMark, stateOf } from '../process-identity.ts'
import { temporaryName, withFileLock } from './file-lock.ts'

const program = fileURLToPath(new URL('../../../test/support/take-lock.program.ts', import.meta.url))

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

const at = (name: string) => join(folder.path, name)

/** Runs the program to its end in a process of its own. */
async function takeLock(times: number, killedIn = 0): Promise<{ pid: number; signal: string | null }> {
  const child = spawn(process.execPath, [program, at('users'), at('journal'), `${times}`, `${killedIn}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code, signal] = await once(child, 'exit')
  if (signal === null) expect(code).toBe(0)
  return { pid: child.pid ?? 0, signal }
}

const printMark = `import { newMark } from ${JSON.stringify(new URL('../process-identity.ts', import.meta.url).href)}
process.stdout.write(newMark())`

/** A mark of a process that has ended. */
async function markOfTheDead(): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', printMark])
  const [mark] = await Promise.all([text(child.stdout), once(child, 'close')])
  return mark
}

async function lockedBy(mark: string): Promise<void> {
  await mkdir(at('users.lock'))
  await writeFile(at(join('users.lock', mark)), '')
}

test('one process at a time has it, also while some are killed with it in their hands', async () => {
  const processes = await Promise.all([
    ...Array.from({ length: 4 }, () => takeLock(15)),
    ...[1, 2, 3, 5].map((killedIn) => takeLock(15, killedIn)),
  ])
  const killed = processes.filter(({ signal }) => signal !== null).map(({ pid }) => `${pid}`)
  expect(killed).toHaveLength(4)
  const lines = (await readFile(at('journal'), 'utf8')).trim().split('\n')
  expect(lines.filter((line) => line.startsWith('takes'))).toHaveLength(4 * 15 + 1 + 2 + 3 + 5)
  let holder: string | undefined
  for (const line of lines) {
    const [word, pid = ''] = line.split(' ')
    if (word === 'takes') expect(holder === undefined || killed.includes(holder)).toBe(true)
    else expect(holder).toBe(pid)
    holder = word === 'takes' ? pid : undefined
  }
  // The last one may have been killed.
  await withFileLock(at('users'), async () => {})
  expect(await readdir(folder.path)).toEqual(['journal'])
})

test('of many who find a dead one at the same time one takes its place', async () => {
  const dead = await markOfTheDead()
  let inside = 0
  let most = 0
  const work = async () => {
    inside += 1
    most = Math.max(most, inside)
    await delay(1)
    inside -= 1
  }
  for (let round = 0; round < 10; round++) {
    await lockedBy(dead)
    await Promise.all(Array.from({ length: 8 }, () => withFileLock(at('users'), work)))
  }
  expect(most).toBe(1)
})

test('what processes that were killed have left is removed', async () => {
  const dead = await markOfTheDead()
  await lockedBy(dead)
  await mkdir(at(`users.lock.${dead}`))
  await writeFile(at(`users.new.${dead}`), 'half')
  await writeFile(temporaryName(at('users')), 'of one that is at it')
  await writeFile(at('users.new.one'), 'of somebody else')
  const left = await withFileLock(at('users'), () => readdir(folder.path))
  expect(left.filter((name) => name.includes(dead))).toEqual([])
  expect(left).toHaveLength(3)
})

test('one who holds it for too long is named, and how to go on', async () => {
  await withFileLock(at('users'), async () => {
    const waiting = withFileLock(at('users'), async () => 'never', { timeoutMs: 50 })
    await expect(waiting).rejects.toThrow(
      `${at('users')} has been held by the process ${process.pid} for 0.05 s, and was not changed. If nothing changes it any more, remove ${at('users.lock')}`,
    )
  })
  expect(await readdir(folder.path)).toEqual([])
})

test('a holder on another machine counts as gone after a while', async () => {
  await lockedBy(newMark().replace(/^.{12}/, '0123456789ab'))
  const impatient = withFileLock(at('users'), async () => 'had', { timeoutMs: 100 })
  await expect(impatient).rejects.toThrow('has been held')
  expect(await withFileLock(at('users'), async () => 'had', { strangerMs: 100 })).toBe('had')
})

test('one who was taken for dead learns of it before it changes anything', async () => {
  await withFileLock(at('users'), async (lock) => {
    await lock.confirm()
    for (const mark of await readdir(at('users.lock'))) await rm(at(join('users.lock', mark)))
    await withFileLock(at('users'), async () => {
      await expect(lock.confirm()).rejects.toThrow('nothing was changed')
    })
  })
})

test('a mark says whether its process runs, also if its number is taken again', async () => {
  const mark = newMark()
  expect(stateOf(mark)).toBe('runs')
  expect(stateOf(await markOfTheDead())).toBe('gone')
  const [machine, pid, start, random] = mark.split('-')
  expect(stateOf(`${machine}-${pid}-${Number(start) - 1}-${random}`)).toBe('gone')
  expect(stateOf(`0123456789ab-${pid}-${start}-${random}`)).toBe('unknown')
  expect(stateOf('something else')).toBe('unknown')
})

test('a process that has ended, and whose parent has not heard of it, is gone', async () => {
  // The shell becomes a program that does not reap its child.
  const script = '"$0" --input-type=module -e "$1" & exec cat'
  const shell = spawn('sh', ['-c', script, process.execPath, printMark], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    const mark = String((await once(shell.stdout, 'data'))[0])
    await expect.poll(() => stateOf(mark)).toBe('gone')
    expect(await readFile(`/proc/${mark.split('-')[1]}/stat`, 'utf8')).toContain(' Z ')
  } finally {
    shell.stdin.end()
    await once(shell, 'exit')
  }
})

test('whoever may use the folder may also remove what is left of the lock', async () => {
  const before = await stat(folder.path)
  await withFileLock(at('users'), async () => {
    const { uid, gid, mode } = await stat(at('users.lock'))
    expect({ uid, gid, mode }).toEqual({ uid: before.uid, gid: before.gid, mode: before.mode })
  })
})
