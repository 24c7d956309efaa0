import { expect, test } from 'vitest'
import { formatReference, isLoopback, parseHost, parseImageReference } from './image-reference.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

test.each([
  ['ubuntu', 'docker.io/library/ubuntu'],
  ['docker://ubuntu:24.04', 'docker.io/library/ubuntu:24.04'],
  ['library/ubuntu', 'docker.io/library/ubuntu'],
  ['index.docker.io/a/b:1', 'docker.io/a/b:1'],
  ['localhost/a', 'localhost/a'],
  ['localhost:5000/a/b:1', 'localhost:5000/a/b:1'],
  ['registry.example/a', 'registry.example/a'],
  ['[::1]:5000/a:1', '[::1]:5000/a:1'],
  [`registry.example/a:1@${DIGEST}`, `registry.example/a:1@${DIGEST}`],
  [`a/b@${DIGEST}`, `docker.io/a/b@${DIGEST}`],
])('the image %s', (text, expected) => {
  const image = parseImageReference(text)
  expect(image && formatReference(image)).toBe(expected)
})

test.each([
  '',
  'A/b',
  'registry.example/',
  'a:',
  'a@sha256:00',
  'a b',
  'registry.example/A',
  '-x/a',
  'a:b:c',
])('%j is no image', (text) => {
  expect(parseImageReference(text)).toBeUndefined()
})

test.each([
  ['https://index.docker.io/v1/', 'docker.io'],
  ['registry.example:5000', 'registry.example:5000'],
  ['https://registry.example/v2/', 'registry.example'],
  ['a b', undefined],
])('the registry %s', (text, expected) => {
  expect(parseHost(text)).toBe(expected)
})

test.each([
  ['localhost:5000', true],
  ['127.1.2.3', true],
  ['[::1]:443', true],
  ['registry.localhost', true],
  ['127.example.org', false],
  ['localhost.example.org', false],
])('%s is this machine: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})
