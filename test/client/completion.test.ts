/** The scripts of `entrepot completion`, in the shells that are there. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { COMMANDS } from '../../src/cli/table/commands.ts'
import { completionScript } from '../../src/cli/table/completion-script.ts'
import { runEntrepot } from '../support/command.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { findTool } from '../support/tools.ts'

const run = promisify(execFile)

/** What bash offers for the last word. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const list = ['entrepot', ...words].map((word) => `'${word}'`).join(' ')
  const lines = [
    await completionScript('bash', COMMANDS),
    `COMP_WORDS=(${list}); COMP_CWORD=${words.length}; _entrepot`,
    `for one in "\${COMPREPLY[@]}"; do echo "$one"; done`,
  ]
  const { stdout } = await run('bash', ['-c', lines.join('\n')])
  return stdout.split('\n').filter(Boolean)
}

test.each([
  [['refe'], ['referrers']],
  [
    ['robot', ''],
    ['create', 'list', 'revoke'],
  ],
  [['help', 'ex'], ['export']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['copy', '--all'], ['--all-tags']],
  [['copy', 'a', '--ref'], ['--referrers']],
  [['copy', '--platform', ''], []],
  [['gc', '--dry'], ['--dry-run']],
])('bash completes %j', async (words, expected) => {
  expect((await offered(...words)).sort()).toEqual([...expected].sort())
})

test('every command has a line in every script', async () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = await completionScript(shell, COMMANDS)
    for (const { name } of COMMANDS) expect(script).toContain(name)
  }
})

test.skipIf(findTool('zsh') === undefined)('zsh completes what is typed', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, '_entrepot'), await completionScript('zsh', COMMANDS))
  const typed = {
    'entrepot refe': 'entrepot referrers ',
    'entrepot copy --all-t': 'entrepot copy --all-tags ',
    'entrepot robot cr': 'entrepot robot create ',
  }
  const script = join(import.meta.dirname, 'complete.zsh')
  await run('zsh', ['-f', script, folder.path, ...Object.entries(typed).flat()], { timeout: 60_000 })
})

test.skipIf(findTool('fish') === undefined).each([
  ['entrepot refe', ['referrers']],
  ['entrepot copy --all-t', ['--all-tags']],
  ['entrepot robot ', ['create', 'list', 'revoke']],
  ['entrepot completion ', ['bash', 'fish', 'zsh']],
])('fish completes %j', async (typed, expected) => {
  await using folder = await temporaryFolder()
  const script = join(folder.path, 'entrepot.fish')
  await writeFile(script, await completionScript('fish', COMMANDS))
  const { stdout } = await run('fish', ['-N', '-c', `source ${script}; complete -C '${typed}'`])
  expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([...expected, ''])
})

test('help of a command is what --help prints, and a wrong name gets a hint', async () => {
  const [helped, asked, wrong] = await Promise.all([
    runEntrepot(['help', 'copy'], { timeoutMs: 120_000 }),
    runEntrepot(['copy', '--help'], { timeoutMs: 120_000 }),
    runEntrepot(['help', 'coppy'], { timeoutMs: 120_000 }),
  ])
  expect(helped).toEqual(asked)
  expect(helped.stdout).toMatch(/^entrepot copy /)
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('there is copy') })
})
