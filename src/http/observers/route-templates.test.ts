import { expect, test } from 'vitest'
import type { Resource } from '../request/route.ts'
import { operations } from '../routes.ts'
import { routeTemplate } from './route-templates.ts'

test('each resource has a template', () => {
  const resources = Object.keys(operations) as Resource[]
  expect(resources.filter((resource) => routeTemplate(resource) === undefined)).toEqual([])
})
