import { afterAll, beforeAll } from 'vitest'
import { describeStorageDriver } from '../../../test/contract/storage-driver.ts'
import { s3DriverUnderTest } from '../../../test/support/s3-driver.ts'
import { type S3rver, startS3rver } from '../../../test/support/s3rver.ts'

/** The only S3 server that needs nothing but Node. Not meant for production. */
const cannot = {
  'readers of a file that many write see one content or another, never a mixture':
    's3rver writes into the file that others read',
  'a reader that began before the file was replaced gets the old bytes':
    's3rver writes into the file that others read',
  'bytes 0 to 0, both included': 's3rver answers with the whole file when the first byte alone is asked for',
  'children are told apart as files and folders, and grandchildren are not listed':
    's3rver does not list a folder in which there are only folders',
  'is that of the bytes a writer has left: they are gone on with, read and moved by it':
    's3rver ignores conditions, and the tag of an object does not tell of which parts it is made',
  'of two writers that begin at once at most one succeeds': 's3rver ignores conditions',
  'is swapped by exactly one of many at once': 's3rver ignores conditions',
  'a scan finds every file below a folder, in byte order of the paths': 's3rver lists in an order of its own',
  'a scan goes on from any point': 's3rver lists in an order of its own',
  'a scan of more files than a page has misses none and gives none twice':
    's3rver gives one page of a listing only',
  'a fence removes files, and nothing else': 's3rver ignores conditions, so there are no fences',
  'no file is removed by a fence that is closed, whoever has closed it':
    's3rver ignores conditions, so there are no fences',
  'what is put where a file is removed meanwhile is there in the end, or is not, but whole':
    's3rver ignores conditions, so there are no fences',
  'a folder can be deleted while files are put into it': 's3rver fails where its folders are removed',
  'a folder can be deleted though others never cease to put files into it':
    's3rver fails where its folders are removed',
}

let server: S3rver
beforeAll(async () => {
  server = await startS3rver('registry')
})
afterAll(() => server[Symbol.asyncDispose]())

// Lists one page only.
describeStorageDriver('s3 on s3rver', () => s3DriverUnderTest(server), {
  maxNameBytes: 200,
  manyChildren: 900,
  cannot,
})
