// The README says the same number.
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { build } from 'vite'
import readme from '../README.md?raw'

const LIMIT_KB = 7

test(`the client is under ${LIMIT_KB} kB, minified and gzipped`, async () => {
  const built = await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      rolldownOptions: { input: '../src/index.ts', preserveEntrySignatures: 'strict' },
    },
  })
  const { output } = [built].flat()[0] as { output: { code: string }[] }
  const bytes = gzipSync(output[0]?.code ?? '').length

  expect(bytes).toBeLessThan(LIMIT_KB * 1_000)
  expect(bytes).toBeGreaterThan(1_000)
  expect(readme).toContain(`${LIMIT_KB} kB`)
})
