import { expect } from 'vitest'
import type * as z from 'zod'
import type { Answer } from './http-registry.ts'

/** The JSON of an answer, which must have the form that the OpenAPI document gives it.
 *  @param schema of `lifecycle-answers.ts` */
export function described<Schema extends z.ZodType>(
  schema: Schema,
  { body }: Pick<Answer, 'body'>,
): z.infer<Schema> {
  const found = JSON.parse(body.toString()) as z.infer<Schema>
  expect(schema.safeParse(found).error?.issues).toBeUndefined()
  return found
}
