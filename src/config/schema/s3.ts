/** The section `storage.s3`, or `s3aws`, and rejected combinations. */

import * as z from 'zod'
import { filledText, flag, integer, optionalSectionOf, scalar, size, text } from './key.ts'

const MIB = 1024 ** 2
/** Minimum size of a part of a multipart upload, except the last one. */
const MIN_PART_BYTES = 5 * MIB

/** Storage classes whose objects can be read at once. */
const STORAGE_CLASSES = [
  'NONE',
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'OUTPOSTS',
  'GLACIER_IR',
]

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl */
const CANNED_ACLS = [
  'private',
  'public-read',
  'public-read-write',
  'aws-exec-read',
  'authenticated-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
  'log-delivery-write',
]

const partSize = () => size({ min: MIN_PART_BYTES, minText: ', at least 5MiB' })

const storageClass = scalar(STORAGE_CLASSES.join(', '), (found) =>
  STORAGE_CLASSES.find((name) => name === String(found).toUpperCase()),
)

const cannedAcl = scalar(CANNED_ACLS.join(', '), (found) =>
  CANNED_ACLS.find((name) => name === String(found)),
)

/** A URL, or a host with or without a port. */
const endpoint = () =>
  scalar('a URL such as https://s3.example.com, or a host', (found) =>
    found === '' || URL.canParse(/^https?:\/\//.test(String(found)) ? String(found) : `https://${found}`)
      ? String(found)
      : undefined,
  )

const s3Keys = z.strictObject({
  accesskey: text().or(''),
  secretkey: text().or(''),
  region: text().or(''),
  regionendpoint: endpoint().or(''),
  bucket: filledText('the name of a bucket').required(),
  encrypt: flag().or(false),
  keyid: text().or(''),
  secure: flag().or(true),
  skipverify: flag().or(false),
  v4auth: flag().or(true),
  /** In bytes, like the other sizes here. */
  chunksize: partSize().or(10 * MIB),
  multipartcopychunksize: partSize().or(32 * MIB),
  multipartcopymaxconcurrency: integer({ min: 1 }).or(100),
  multipartcopythresholdsize: size().or(32 * MIB),
  rootdirectory: text().or(''),
  storageclass: storageClass.or('STANDARD'),
  objectacl: cannedAcl.or('private'),
  useragent: text().or(''),
  forcepathstyle: flag().optional(),
  accelerate: flag().or(false),
  usedualstack: flag().or(false),
  usefipsendpoint: flag().or(false),
  loglevel: text().or(''),
  redirectendpoint: endpoint().or(''),
})

type Found = z.output<typeof s3Keys>

interface Check {
  readonly path: keyof Found
  readonly holds: (found: Found) => boolean
  readonly error: string
}

const checks: readonly Check[] = [
  {
    path: 'region',
    holds: ({ region, regionendpoint }) => region !== '' || regionendpoint !== '',
    error: 'a region such as us-east-1, unless there is a regionendpoint',
  },
  {
    path: 'secretkey',
    holds: ({ accesskey, secretkey }) => accesskey === '' || secretkey !== '',
    error: 'the secret that belongs to accesskey',
  },
  {
    path: 'accesskey',
    holds: ({ accesskey, secretkey }) => secretkey === '' || accesskey !== '',
    error: 'the access key that secretkey belongs to',
  },
  {
    path: 'v4auth',
    holds: ({ v4auth }) => v4auth,
    error: 'true: only signature version 4 is supported',
  },
  {
    path: 'keyid',
    holds: ({ keyid, encrypt }) => keyid === '' || encrypt,
    error: 'a key only with encrypt: true',
  },
  {
    path: 'accelerate',
    holds: ({ accelerate, regionendpoint, forcepathstyle }) =>
      !accelerate || (regionendpoint === '' && forcepathstyle !== true),
    error:
      "false where there is a regionendpoint or forcepathstyle: acceleration has an endpoint of Amazon's own",
  },
]

/** A new schema for each of its two names in `storage`. */
export const s3 = () =>
  optionalSectionOf(
    checks.reduce(
      (schema, { path, holds, error }) => schema.refine((found) => holds(found), { path: [path], error }),
      s3Keys,
    ),
  )
