import * as z from 'zod'

const key = z.strictObject({
  id: z.string(),
  name: z.string(),
  repositories: z.array(z.string()),
  actions: z.array(z.string()),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime().nullable(),
})

export const keyList = z.strictObject({ keys: z.array(key) })

export const newKey = z.strictObject({ key, secret: z.string() })

export const wantedKey = z.object({
  name: z.string(),
  days: z.int().optional(),
  repositories: z.array(z.string()).optional(),
  actions: z.array(z.string()).optional(),
})
