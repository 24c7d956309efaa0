import { beforeEach, describe, expect, it, vi } from 'vitest'
import { temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { QuickCalls } from './quick-calls.ts'

/** Blocks for this time, as a disk does. */
function waits(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

describe('quick calls', () => {
  let quick: QuickCalls
  beforeEach(async () => {
    await using folder = await temporaryFolder()
    quick = new QuickCalls(folder.path)
    await vi.waitUntil(() => quick.isLocal, { timeout: 60_000, interval: 5 })
  })

  it('are allowed where the file system is local, unless they are switched off', async () => {
    expect(quick.areAllowed).toBe(true)
    const never = new QuickCalls('/', 'never')
    expect([never.isLocal, never.areAllowed]).toEqual([false, false])
  })

  it.skipIf(process.platform !== 'linux')('are not made where the system makes up its files', async () => {
    const proc = new QuickCalls('/proc')
    expect(proc.areAllowed).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(proc.areAllowed).toBe(false)
  })

  it('pause for long after some that were slow, and are tried again', () => {
    let calls = 0
    for (; quick.areAllowed && calls < 100; calls++) quick.make(() => waits(3))
    expect(calls).toBeLessThan(10)
    const now = performance.now()
    const later = (milliseconds: number) => vi.spyOn(performance, 'now').mockReturnValue(now + milliseconds)
    later(3 * 100)
    expect(quick.areAllowed).toBe(false)
    later(3600_000)
    expect(quick.areAllowed).toBe(true)
    vi.restoreAllMocks()
  })

  it('do not pause because the thread waited for a processor', async () => {
    await using folder = await temporaryFolder()
    let waited = 0
    const sinceLast = () => {
      const since = waited
      waited = 0
      return since
    }
    const preempted = new QuickCalls(folder.path, 'auto', 4, { sinceLast })
    await vi.waitUntil(() => preempted.isLocal, { timeout: 60_000, interval: 5 })
    for (let calls = 0; calls < 20; calls++) {
      preempted.make(() => {
        waits(5)
        waited = 1_000
      })
      expect(preempted.areAllowed).toBe(true)
    }
    preempted.make(() => waits(100))
    expect(preempted.areAllowed).toBe(false)
  })

  it('pause at once after one that was very slow, even if it failed', () => {
    const fails = () => {
      waits(110)
      throw new Error('EIO')
    }
    expect(() => quick.make(fails)).toThrow('EIO')
    expect(quick.areAllowed).toBe(false)
  })

  it('pause after a few long ones among many that were quick', () => {
    let calls = 0
    for (; quick.areAllowed && calls < 100; calls++) quick.make(() => waits(calls % 5 === 0 ? 20 : 0))
    expect(calls).toBeLessThan(20)
  })

  it('let the event loop turn', async () => {
    expect(quick.untilTurn()).toBeUndefined()
    waits(5)
    const turns: string[] = []
    const turn = quick.untilTurn()?.then(() => turns.push('next'))
    await Promise.resolve()
    expect(turns).toEqual([])
    await turn
    expect(quick.untilTurn()).toBeUndefined()
  })
})
