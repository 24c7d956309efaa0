import { AuthenticationError, CredentialUnavailableError } from '@azure/identity'
import { RestError } from '@azure/storage-blob'
import { describe, expect, it } from 'vitest'
import { azureError, reasonOf } from './errors.ts'

describe('what is said of a failure', () => {
  it.each([
    ['ENOTFOUND', 'BUSY'],
    ['ETIMEDOUT', 'BUSY'],
    ['ECONNREFUSED', 'BUSY'],
    ['CERT_HAS_EXPIRED', 'BACKEND_FAILED'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'BACKEND_FAILED'],
  ])('on the way (%s) is %s', (code, expected) => {
    const error = azureError(new RestError('it failed', { code }), '/a')
    expect(error).toMatchObject({ code: expected, path: '/a', message: `${expected}: /a: it failed` })
  })

  it.each([
    [new CredentialUnavailableError('first\nsecond'), 'BACKEND_FAILED', 'first; second'],
    [new AuthenticationError(401, 'wrong secret'), 'BACKEND_FAILED', 'wrong secret'],
    [new AuthenticationError(503, 'later'), 'BUSY', 'later'],
    [new CredentialUnavailableError('network_error: see the page'), 'BUSY', 'network_error: see the page'],
  ])('to get a token names who gives none: %s', (cause, code, reason) => {
    expect(azureError(cause, '/a').code).toBe(code)
    expect(reasonOf(cause)).toMatch(/^Microsoft Entra ID gives no token: /)
    expect(reasonOf(cause)).toContain(reason)
  })

  it('is one line of what the service says, with its code', () => {
    const cause = new RestError('The request is bad.\nRequestId:1\nTime:2', {
      statusCode: 400,
      code: 'BadRequest',
    })
    expect(reasonOf(cause)).toBe('400 BadRequest The request is bad.')
  })
})
