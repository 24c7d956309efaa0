/** Opens files with a filesystem driver until the process may open no more, and tells as JSON what each method then
 *  says, and what it says when the files are closed again. The folder is the argument; started with a low
 *  `ulimit -n`. */
import { StorageError } from '../../src/core/errors.ts'
import type { FileWriter, StorageDriver } from '../../src/core/storage-driver.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'

const driver = new FilesystemDriver({ root: process.argv[2] ?? '' })
await driver.put('/file', Buffer.from('content'))
const writers = await openUntilRefused(driver)
const whileFull = await outcomes(driver)
for (const writer of writers) await writer.close()
console.log(JSON.stringify({ whileFull, afterwards: await outcomes(driver) }))

async function openUntilRefused(driver: StorageDriver): Promise<FileWriter[]> {
  const writers: FileWriter[] = []
  try {
    for (;;) writers.push(await driver.append(`/held/${writers.length}`))
  } catch (error) {
    if (error instanceof StorageError && error.code === 'TOO_MANY_OPEN_FILES') return writers
    throw error
  }
}

async function outcomes(driver: StorageDriver): Promise<Record<string, string>> {
  return {
    stat: await codeOf(driver.stat('/file')),
    get: await codeOf(driver.get('/file')),
    read: await codeOf(firstOf(driver.read('/file'))),
    put: await codeOf(driver.put('/new/put', Buffer.from('content'))),
    append: await codeOf(driver.append('/new/append').then((writer) => writer.close())),
    list: await codeOf(firstOf(driver.list('/held'))),
  }
}

async function firstOf(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of items) return
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    return error instanceof StorageError ? error.code : String(error)
  }
}
