import { describe, expect, test } from 'vitest'
import {
  distinctBytes,
  expectSameBytes,
  expectStorageError,
} from '../../../../test/contract/storage-driver/support.ts'
import { MIB, s3ServerForTests, s3Settings, skipReason } from '../../../../test/support/s3-driver.ts'
import { Bucket } from '../bucket.ts'
import { createClient } from '../client.ts'
import { CopiedParts } from './copied-parts.ts'

const BOTH = { createOnly: true, replaceOnly: true, completeOnly: true, copyCreateOnly: false }

describe.skipIf(skipReason('versitygw'))(
  `an object that was made of parts${skipReason('versitygw') ?? ''}`,
  () => {
    const server = s3ServerForTests('versitygw')

    test.each([true, false])(
      'is copied as those parts, or not at all (by the store: %s)',
      async (copySourceOnly) => {
        const settings = s3Settings(server())
        const client = createClient(settings, { log: { info: () => undefined } as never })
        const bucket = new Bucket(client, settings)
        const copies = new CopiedParts(bucket, { ...BOTH, copySourceOnly }, settings)
        const contents = [distinctBytes(5 * MIB, 1), distinctBytes(MIB, 2)]
        try {
          const made = { key: 'made', uploadId: await bucket.createUpload('made'), mark: '' }
          const parts = [
            await bucket.putPart(made, 1, contents[0]!),
            await bucket.putPart(made, 2, contents[1]!),
          ]
          const object = { size: 6 * MIB, etag: await bucket.completeUpload(made, parts), mark: '' }
          const copy = { key: 'copy', uploadId: await bucket.createUpload('copy'), mark: '' }
          const others = [parts[0]!, { ...parts[1]!, etag: parts[0]!.etag }]
          for (const wrong of [others, parts.slice(0, 1), [parts[1]!, parts[0]!]])
            await expectStorageError(copies.asParts({ from: 'made', object }, wrong, copy), 'OFFSET_INVALID')
          expect(await copies.asParts({ from: 'made', object }, parts, copy)).toEqual(parts)
          await bucket.completeUpload(copy, parts)
          expectSameBytes((await bucket.content('copy')).content, Buffer.concat(contents))
        } finally {
          bucket.close()
        }
      },
    )
  },
)
