import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/*.test.ts'],
    restoreMocks: true,
    coverage: {
      include: ['src/**'],
      thresholds: { branches: 95, lines: 95 },
    },
  },
})
