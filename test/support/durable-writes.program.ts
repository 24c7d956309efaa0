/** Writes many files at once with a filesystem driver, into folders that they share and that are not there yet, and
 *  says on the standard output of each when it is promised to be durable: `put <path>`, `sync <path>`, `move <path>`,
 *  `delete <path>`, `grow <path>`. The folder is the argument. */
import { writeSync } from 'node:fs'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'

const driver = new FilesystemDriver({ root: process.argv[2] ?? '' })

for (const round of [1, 2]) {
  await Promise.all([
    ...Array.from({ length: 24 }, (_, index) => put(`/put/${round}/${index % 2}/${index % 3}/file-${index}`)),
    ...Array.from({ length: 8 }, (_, index) =>
      upload(`/uploads/${round}-${index}/data`, `/blobs/${index % 3}/${round}-${index}/data`),
    ),
    ...Array.from({ length: 4 }, (_, index) => grow(`/logs/${round}/${index % 2}/log-${index}`)),
    ...Array.from({ length: 6 }, (_, index) => putWithoutHaste(`/mixed/${round}/${index % 2}`, index)),
  ])
}

async function put(path: string): Promise<void> {
  await driver.put(path, Buffer.from(path))
  promised(`put ${path}`)
}

/** Durable content in folders that a put made which promised nothing. */
async function putWithoutHaste(folder: string, index: number): Promise<void> {
  await driver.put(`${folder}/a/passing`, Buffer.from('x'), { durable: false })
  await put(`${folder}/a/file-${index}`)
}

async function upload(from: string, to: string): Promise<void> {
  const writer = await driver.append(from)
  for (let count = 0; count < 3; count++) await writer.write(Buffer.alloc(100_000))
  await writer.sync()
  promised(`sync ${from}`)
  await writer.write(Buffer.alloc(100_000))
  await writer.sync({ dataOnly: true })
  await writer.close()
  await driver.move(from, to)
  promised(`move ${to}`)
  const folder = from.slice(0, from.lastIndexOf('/'))
  await driver.delete(folder)
  promised(`delete ${folder}`)
}

/** The first bytes are only promised with the second ones. */
async function grow(path: string): Promise<void> {
  const file = await driver.createGrowing(path)
  for (const durable of [false, true, true]) {
    await file.append(Buffer.from(path), { durable })
    if (durable) promised(`grow ${path}`)
  }
  await file.close()
}

function promised(what: string): void {
  writeSync(1, `${what}\n`)
}
