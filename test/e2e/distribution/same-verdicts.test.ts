/** Configurations as people have them: Entrepot starts with those that Distribution starts with, but where a difference is
 *  documented in docs/configuration.md. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const filesystem = (more = {}) => ({ filesystem: { rootdirectory: 'data' }, ...more })
const http = (more = {}) => ({ addr: '127.0.0.1:0', secret: 'a', ...more })

type Verdict = 'starts' | 'refuses'

/** What Distribution 2 does with it; what Entrepot does is the same, or stands behind it. */
const cases: [string, Record<string, unknown>, Verdict, Verdict?][] = [
  [
    'empty texts',
    { http: http({ net: '', prefix: '', host: '', tls: { certificate: '', key: '', minimumtls: '' } }) },
    'starts',
  ],
  ['an empty upstream', { proxy: { remoteurl: '', username: '', password: '' } }, 'starts'],
  ['an empty kind of cache', { storage: filesystem({ cache: { blobdescriptor: '' } }) }, 'starts'],
  [
    'a disabled endpoint without a url',
    { notifications: { endpoints: [{ name: 'a', disabled: true }] } },
    'starts',
  ],
  ['keys of its owner', { 'x-ours': { a: 1 } }, 'starts'],
  ['relative URLs switched off', { http: http({ relativeurls: false }) }, 'starts'],
  [
    'delete.enabled as a text, with which nothing can be deleted',
    { storage: filesystem({ delete: { enabled: 'true' } }) },
    'starts',
    'refuses',
  ],
  [
    'readonly.enabled as a text',
    { storage: filesystem({ maintenance: { readonly: { enabled: 'true' } } }) },
    'refuses',
  ],
  ['redirect.disable as a text', { storage: filesystem({ redirect: { disable: 'true' } }) }, 'refuses'],
  ['a typed flag as a text', { http: http({ relativeurls: 'true' }) }, 'refuses'],
  ['two drivers', { storage: filesystem({ inmemory: {} }) }, 'refuses'],
  ['an unknown level', { log: { level: 'loud' } }, 'refuses'],
  ['an unknown access controller', { auth: { nobody: {} } }, 'refuses'],
  ['a password file without a realm', { auth: { htpasswd: { path: 'users' } } }, 'refuses'],
  ['a key that nobody knows', { storage: filesystem(), htttp: {} }, 'starts', 'refuses'],
]

describeWith(['docker-registry'], 'a configuration', () => {
  test.each(cases)('%s', async (_title, sections, ofDistribution, ofEntrepot = ofDistribution) => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    await writeFile(join(folder.path, 'users'), '')
    const config = JSON.parse(
      JSON.stringify({ storage: filesystem(), ...sections })
        .replaceAll('"data"', JSON.stringify(data))
        .replaceAll('"users"', JSON.stringify(join(folder.path, 'users'))),
    )
    const options = { dataFolder: data, configFolder: folder.path, config }
    expect([await verdictOf(startDistribution(options)), await verdictOf(startEntrepot(options))]).toEqual([
      ofDistribution,
      ofEntrepot,
    ])
  })
})

async function verdictOf(starting: Promise<AsyncDisposable>): Promise<Verdict> {
  try {
    await (await starting)[Symbol.asyncDispose]()
    return 'starts'
  } catch {
    return 'refuses'
  }
}
