import { expect, test } from 'vitest'
import { readError, writeError } from './errno.ts'

test.each([
  ['ENOSPC', 'NO_SPACE'],
  ['EROFS', 'BUSY'],
  ['ESTALE', 'BUSY'],
  ['EIO', 'BACKEND_FAILED'],
])('%s is %s, whether something is read or written', (errno, code) => {
  const cause = Object.assign(new Error(errno), { code: errno })
  expect(readError(cause, '/a').code).toBe(code)
  expect(writeError(cause, '/a').code).toBe(code)
})
