import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { describeWith } from './describe-with.ts'
import { type S3Kind, S3Server, s3Tools } from './s3-server.ts'

for (const [kind, tool] of Object.entries(s3Tools) as [S3Kind, string][]) {
  describeWith([tool], `S3 from ${kind}`, () => {
    test('keeps what is put in its bucket, each server for itself', async () => {
      await using one = await S3Server.start(kind)
      await using other = await S3Server.start(kind)
      const object = { Bucket: one.bucket, Key: 'a/b' }

      await one.client.send(new PutObjectCommand({ ...object, Body: 'bytes' }))

      const { Body } = await one.client.send(new GetObjectCommand(object))
      expect(await Body?.transformToString()).toBe('bytes')
      await expect(other.client.send(new GetObjectCommand(object))).rejects.toMatchObject({
        name: 'NoSuchKey',
      })
    })
  })
}
