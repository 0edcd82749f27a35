// Documentation compiles, and its test runs, in a project like a reader's: it has the package, and nothing of these sources.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PAGES = ['README.md', 'js-client/README.md', 'docs/client.md']
const BIN = join(ROOT, 'node_modules/.bin')

// What a page has said once, or leaves to the reader.
const SAID = `import type { Collection, Row, Socket } from 'channels-databinding'
declare global {
  interface Post { liveblog: number; body: string; published: boolean; created: string }
  const socket: Socket
  const posts: Collection<Post>
  const row: Row<Post>
  function draw(rows: readonly object[]): void
  function banner(text: string): void
}`
const OPTIONS = {
  target: 'ES2022',
  module: 'ESNext',
  moduleResolution: 'bundler',
  moduleDetection: 'force',
  types: [],
  // It has no types of its own.
  paths: { '@alpinejs/csp': ['./node_modules/@types/alpinejs/index.d.ts'] },
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  noEmit: true,
}

let project: string
let count = 0

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'docs-'))
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'))
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(project, 'said.d.ts'), SAID)
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }))
  for (const page of PAGES) {
    const text = readFileSync(join(ROOT, page), 'utf8')
    for (const { 1: code = '', index } of text.matchAll(/^```ts\n(.*?)^```$/gms)) {
      const line = text.slice(0, index).split('\n').length
      const name = `${basename(page, '.md')}-${line}${code.startsWith('// posts.test.ts') ? '.test' : ''}.ts`
      writeFileSync(join(project, `${++count}-${name}`), code)
    }
  }
})

afterAll(() => rmSync(project, { recursive: true }))

/** What a tool says in the project, if it fails. */
function complaint(tool: string, ...options: string[]): string {
  try {
    execFileSync(join(BIN, tool), options, { cwd: project, encoding: 'utf8', stdio: 'pipe' })
    return ''
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? `${error.message}\n${error.stdout}` : String(error)
  }
}

test('every block of TypeScript compiles', { timeout: 60_000 }, () => {
  expect(count).toBeGreaterThan(10)
  expect(complaint('tsc')).toBe('')
})

test('the test in the documentation passes', { timeout: 60_000 }, () => {
  expect(complaint('vitest', 'run')).toBe('')
})
