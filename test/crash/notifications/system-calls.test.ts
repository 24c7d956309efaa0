/** Registries over a folder that are killed before and after single system calls by which files change: while they are pushed to, while
 *  they deliver, and while they give events up and replay them. `CRASH_CALLS=all` kills at every call, which takes most of an hour;
 *  `CRASH_CALLS=rename,link` at every one of these. */
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import type { CallMoment } from '../../support/kill-at-call.ts'
import { DiskBench } from './disk-bench.ts'
import { lifeOfAnImage, threePushes } from './stories.ts'

/** What changes files; of `openat` there are some that do. */
const CALLS = [
  'rename',
  'link',
  'pwrite64',
  'pwritev',
  'ftruncate',
  'unlink',
  'rmdir',
  'mkdir',
  'fdatasync',
  'fsync',
  'openat',
]
const chosen = process.env.CRASH_CALLS ?? ''
const calls = chosen === 'all' ? CALLS : chosen.split(',').filter(Boolean)

const WHENS = ['before', 'after'] as const

const roles = [
  {
    title: 'is pushed to and delivers',
    ...{ story: lifeOfAnImage, refuses: false },
    some: [
      { call: 'fdatasync', time: 3 },
      { call: 'rename', time: 9 },
    ],
  },
  {
    title: 'gives events up and replays them',
    ...{ story: threePushes, refuses: true },
    some: [{ call: 'link', time: 2 }],
  },
] as const

describeWith(['strace'], 'over a folder', () => {
  test.each(roles)(
    'a registry that $title, killed before and after single system calls',
    { timeout: calls.length > 0 ? 3 * 3_600_000 : 120_000 },
    async ({ title, story, refuses, some }) => {
      await using bench = await DiskBench.start({ story, refuses })
      if (calls.length === 0) {
        for (const moment of some)
          for (const when of WHENS) expect(await bench.killAt({ ...moment, when })).toBe(true)
      }
      for (const call of calls) {
        for (const when of WHENS) {
          const kills = await killAtEach(bench, { call, when })
          process.stdout.write(`${title}: ${kills} kills ${when} ${call}\n`)
        }
      }
    },
  )
})

/** @returns how many */
async function killAtEach(bench: DiskBench, moment: Omit<CallMoment, 'time'>): Promise<number> {
  for (let time = 1; ; time++) if (!(await bench.killAt({ ...moment, time }))) return time - 1
}
