import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { namesIn } from '../../../test/contract/storage-driver/support.ts'
import { describeWith } from '../../../test/support/describe-with.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { run } from '../../../test/support/tools.ts'
import { FilesystemDriver } from '../filesystem.ts'

const program = fileURLToPath(new URL('../../../test/support/open-until-refused.program.ts', import.meta.url))

describeWith(['sh'], 'a process that may open no more files', () => {
  it('says so, leaves nothing behind, and goes on once files are closed', async () => {
    await using folder = await temporaryFolder()
    const command = 'ulimit -n 64; exec "$0" "$@"'
    const output = await run('sh', ['-c', command, process.execPath, program, folder.path])
    const refused = 'TOO_MANY_OPEN_FILES'
    expect(JSON.parse(output)).toEqual({
      whileFull: { stat: 'done', get: refused, read: refused, put: refused, append: refused, list: refused },
      afterwards: { stat: 'done', get: 'done', read: 'done', put: 'done', append: 'done', list: 'done' },
    })
    expect(await namesIn(new FilesystemDriver({ root: folder.path }), '/new')).toEqual(['append', 'put'])
    expect(await readdir(`${folder.path}/new`)).toHaveLength(2)
  })
})
