import { expect, test } from 'vitest'
import { delayMs } from '../src/backoff.ts'

test('the longest wait doubles from a second up to twenty', () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 2_000].map(attempt => delayMs(attempt, () => 1))

  expect(longest).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000])
})

test('the jitter is full: any wait down to none', () => {
  expect(delayMs(3, () => 0)).toBe(0)
  expect(delayMs(3, () => 0.25)).toBe(1_000)
})
