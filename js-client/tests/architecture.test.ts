import { expect, test } from 'vitest'

// Read them in this order; imports only look back.
const ORDER = [
  'protocol',
  'backoff',
  'store',
  'environment',
  'connection',
  'writes',
  'rows',
  'liveness',
  'subscription',
  'collection',
  'presence',
  'demultiplexer',
  'index',
  'draft',
  'adapters/alpine',
  'global',
]

const texts = import.meta.glob('../src/**/*.ts', { query: '?raw', import: 'default', eager: true })
const modules = Object.entries(texts).map(([path, text]) => ({
  name: path.replace('../src/', '').replace('.ts', ''),
  text,
}))

test('every module is in the order', () => {
  expect(modules.map(({ name }) => name).toSorted()).toEqual(ORDER.toSorted())
})

test.each(modules)('$name imports only what comes before it, and nothing from outside', ({ name, text }) => {
  const imports = [...text.matchAll(/from '(.+?)'/g)].map(([, path]) => path ?? '')
  const inside = imports
    .filter(path => /^\.\.?\/\w+\.ts$/.test(path))
    .map(path => path.replace(/^\.+\/|\.ts$/g, ''))

  expect(
    imports
      .filter(path => !path.startsWith('.'))
      .filter(path => !text.includes(` *  import`) || path !== 'channels-databinding'),
  ).toEqual([])
  expect(inside.filter(path => ORDER.indexOf(path) >= ORDER.indexOf(name))).toEqual([])
})

test.each(modules)('$name says where it stands, in 250 lines at most', ({ text }) => {
  expect(text.startsWith('/**')).toBe(true)
  expect(text.split('\n').length).toBeLessThanOrEqual(251)
})
