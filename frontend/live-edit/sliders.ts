/** Sliders: numbers that everybody sees move. */

import type { Alpine } from 'alpinejs'
import type { Row } from 'channels-databinding'
import type { Live } from 'channels-databinding/alpine'
import { carried } from '../snapshot.ts'
import { reason } from '../words.ts'

interface IntegerValue {
  name: string
  value: number
}

type ValueRow = Row<IntegerValue>

export default (Alpine: Alpine) =>
  Alpine.data('sliders', () => ({
    values: {} as Live<IntegerValue>,
    problems: {} as Record<string, string>, // by key

    init() {
      this.values = this.$live<IntegerValue>('intval', {
        order: 'name',
        initial: carried('intval'),
      })
    },

    /** Why there is nothing to see, if that is so. */
    trouble() {
      return this.values.error?.message ?? ''
    },

    isEmpty() {
      return this.values.status === 'live' && this.values.rows.length === 0
    },

    problem({ $key }: ValueRow) {
      return this.problems[$key] ?? ''
    },

    /** Called for every step of a drag. The client keeps one write on the way, and of those behind it the last. */
    async move(row: ValueRow, value: number) {
      this.problems[row.$key] = ''
      try {
        await this.values.update(row, { value })
      } catch (error) {
        this.problems[row.$key] = reason(error)
      }
    },
  }))
