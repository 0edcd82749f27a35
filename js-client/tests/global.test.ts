// The one file for a `<script>`, which the Python package carries for those who have no npm.
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { beforeAll, expect, test } from 'vitest'
import readme from '../README.md?raw'

const LIMIT_KB = 8
const ROOT = new URL('../../', import.meta.url)
const SERVED = 'backend/channels_databinding/static/channels_databinding/client.js'

let code: string

beforeAll(async () => {
  const configFile = new URL('../vite.config.ts', import.meta.url).pathname
  const built = await build({ configFile, build: { write: false } })
  const { output } = [built].flat()[0] as { output: { code: string }[] }
  code = output[0]?.code ?? ''
})

test('the file that Django serves is a build of these sources', async () => {
  // On CI what counts is what was committed: a build on the way here has mended the file itself.
  const served = process.env['CI']
    ? execFileSync('git', ['show', `HEAD:${SERVED}`], { cwd: ROOT, encoding: 'utf8' })
    : await readFile(new URL(SERVED, ROOT), 'utf8')

  expect(served === code, `${SERVED} is old: run npm run build and commit it`).toBe(true)
})

test('it has one name for all it offers, and no source map to look for', () => {
  const offered = new Function(`${code}; return channelsDatabinding`)() as object

  expect(Object.keys(offered).toSorted()).toEqual(['Draft', 'WriteError', 'connect', 'live'])
  expect(code).not.toContain('sourceMappingURL')
})

test(`it is under ${LIMIT_KB} kB gzipped`, () => {
  const bytes = gzipSync(code).length

  expect(bytes).toBeLessThan(LIMIT_KB * 1_000)
  expect(bytes).toBeGreaterThan(1_000)
  expect(readme).toContain(`${LIMIT_KB} kB`)
})
