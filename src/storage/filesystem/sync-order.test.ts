import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith } from '../../../test/support/describe-with.ts'
import { type SystemCall, traceSystemCalls } from '../../../test/support/system-calls.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'

const program = fileURLToPath(new URL('../../../test/support/durable-writes.program.ts', import.meta.url))

/** An acknowledgement, and its time. */
interface Promised {
  readonly what: string
  readonly file: string
  readonly at: number
}

describeWith(['strace'], 'before a write is promised to survive a power cut', () => {
  let folder: TemporaryFolder
  let calls: SystemCall[]
  beforeAll(async () => {
    folder = await temporaryFolder()
    calls = (await traceSystemCalls([program, `${folder.path}/root`], `${folder.path}/trace`)).filter(
      ({ result }) => result >= 0,
    )
  })
  afterAll(() => folder.remove())

  it('a put has its content synced, then is renamed into place, then has its folder synced', () => {
    const puts = promisesOf('put')
    expect(puts).toHaveLength(60)
    for (const { file, at } of puts) {
      const rename = lastCall((call) => call.name === 'rename' && call.paths[1] === file && call.endedAt < at)
      const temporary = rename.paths[0]!
      expect(
        isSynced(temporary, { after: lastWrite(temporary, at).endedAt, before: rename.begunAt }),
        file,
      ).toBe(true)
      expect(isSynced(dirname(file), { after: rename.endedAt, before: at }), file).toBe(true)
    }
  })

  it('an upload has the bytes written so far synced, and its name', () => {
    const syncs = promisesOf('sync')
    expect(syncs).toHaveLength(16)
    for (const { file, at } of syncs) {
      const written = lastWrite(`${file}.`, at)
      expect(isSynced(written.paths[0]!, { after: written.endedAt, before: at }), file).toBe(true)
      expect(isSynced(dirname(file), { after: written.begunAt, before: at }), file).toBe(true)
    }
  })

  it('a file that grows has all bytes so far synced, and its name', () => {
    const appends = promisesOf('grow')
    expect(appends).toHaveLength(16)
    for (const { file, at } of appends) {
      expect(isSynced(file, { after: lastWrite(file, at).endedAt, before: at }), file).toBe(true)
      const created = calls.find(({ name, paths }) => /write/.test(name) && paths[0] === file)!
      expect(isSynced(dirname(file), { after: 0, before: at }), file).toBe(true)
      expect(created.begunAt).toBeLessThan(at)
    }
  })

  it('a move has the folder it comes to synced, after bytes that were synced before', () => {
    const moves = promisesOf('move')
    expect(moves).toHaveLength(16)
    for (const { file, at } of moves) {
      const rename = lastCall((call) => call.name === 'rename' && call.paths[1] === file)
      const source = rename.paths[0]!
      expect(isSynced(source, { after: lastWrite(source, at).endedAt, before: rename.begunAt }), file).toBe(
        true,
      )
      expect(isSynced(dirname(file), { after: rename.endedAt, before: at }), file).toBe(true)
    }
  })

  it('a removal has the folder above it synced', () => {
    const deletes = promisesOf('delete')
    expect(deletes).toHaveLength(16)
    for (const { file, at } of deletes) {
      const removal = lastCall((call) => call.name === 'rmdir' && call.paths[0] === file)
      expect(isSynced(dirname(file), { after: removal.endedAt, before: at }), file).toBe(true)
    }
  })

  it('every folder above the file has its name synced, whoever made it', () => {
    for (const { what, file, at } of ['put', 'sync', 'move', 'grow'].flatMap(promisesOf)) {
      const above = calls.filter(({ name, paths, endedAt }) => {
        return name === 'mkdir' && endedAt < at && file.startsWith(`${paths[0]}/`)
      })
      expect(above.length).toBeGreaterThan(1)
      for (const made of above) {
        const isSafe = isSynced(dirname(made.paths[0]!), { after: made.endedAt, before: at })
        expect(isSafe, `${what} ${file}: ${made.paths[0]}`).toBe(true)
      }
    }
  })

  function promisesOf(what: string): Promised[] {
    const lines = calls.filter(({ name, paths }) => name === 'write' && paths[0]?.startsWith(`${what} /`))
    return lines.map(({ paths, begunAt }) => {
      const path = paths[0]!.slice(what.length + 1).replace('\\n', '')
      return { what, file: `${folder.path}/root${path}`, at: begunAt }
    })
  }

  function lastCall(matches: (call: SystemCall) => boolean): SystemCall {
    const found = calls.findLast(matches)
    if (found === undefined) throw new Error('there was no such call')
    return found
  }

  /** The last write to a file whose name begins so: appended files have their version in their names. */
  function lastWrite(file: string, before: number): SystemCall {
    return lastCall(
      ({ name, paths, endedAt }) =>
        /write/.test(name) && paths[0]?.startsWith(file) === true && endedAt < before,
    )
  }

  function isSynced(path: string, { after, before }: { after: number; before: number }): boolean {
    return calls.some(({ name, paths, begunAt, endedAt }) => {
      return /sync/.test(name) && paths[0] === path && begunAt > after && endedAt < before
    })
  }
})
