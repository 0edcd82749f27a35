import fc from 'fast-check'
import { expect, test } from 'vitest'
import { live } from './histories.ts'

declare const process: { env: Record<string, string | undefined> }

const HISTORIES = Number(process.env['HISTORIES'] ?? 300)
const SEED = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }
const SHRINK = process.env['SHRINK'] === '0' ? { endOnFailure: true } : {}

test(
  `in ${HISTORIES} histories every screen ends as the query, and none shows what it should not on the way`,
  async () => {
    const moves = fc.array(fc.nat(2 ** 31), { minLength: 50, maxLength: 600, size: 'max' })

    await fc.assert(
      fc.asyncProperty(moves, async history => {
        const world = await live(history)
        expect(world.db.end).toBeGreaterThan(0)
      }),
      {
        numRuns: HISTORIES,
        interruptAfterTimeLimit: HISTORIES * 100 + 20_000,
        markInterruptAsFailure: true,
        ...SEED,
        ...SHRINK,
      },
    )
  },
  HISTORIES * 200 + 10_000,
)
