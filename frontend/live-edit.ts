/** Sliders. Their HTML is live-edit.html, and backend/live_edit/bindings.py decides who sees and moves them. */

import Alpine from '@alpinejs/csp'
import { connect, type Row } from 'channels-databinding'
import live, { type Live } from 'channels-databinding/alpine'
import connectionStatus from './connection-status.ts'
import { reason, unsent } from './words.ts'

interface IntegerValue {
  name: string
  value: number
}

type ValueRow = Row<IntegerValue>

Alpine.plugin(live(connect('/ws/live-edit/')))
Alpine.plugin(connectionStatus)

Alpine.data('liveEdit', () => ({
  values: {} as Live<IntegerValue>,
  problems: {} as Record<string, string>, // by key

  init() {
    this.values = this.$live<IntegerValue>('intval', { order: 'name' })
  },

  /** Why there is nothing to see, if that is so. */
  trouble() {
    return this.values.error?.message ?? ''
  },

  isEmpty() {
    return this.values.status === 'live' && this.values.rows.length === 0
  },

  waiting() {
    return unsent(this.values.rows, this.$connection.state)
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

Alpine.start()
