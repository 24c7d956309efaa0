import { expect } from 'vitest'
import { OPTIONAL_DESCRIPTIONS } from '../../src/http/handlers/extension/openapi.ts'
import type { Answer } from './http-registry.ts'

/** The JSON of an answer, which must have the form of the OpenAPI document.
 *  @param module of the extension, such as `tags/history` */
export function described(module: string, { body }: Pick<Answer, 'body'>): unknown {
  const found: unknown = JSON.parse(body.toString())
  const { answer } = OPTIONAL_DESCRIPTIONS[`/v2/{name}/_entrepot/${module}`]!
  expect(answer.safeParse(found).error?.issues, module).toBeUndefined()
  return found
}
