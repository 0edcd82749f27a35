/** What the connection is like, in words. Its HTML is connection-status.html. */

import type { Alpine } from 'alpinejs'
import type { State } from 'channels-databinding'

const WORDS: Record<State, { tone: 'starting' | 'live' | 'lost' | 'closed'; sentence: string }> = {
  idle: { tone: 'starting', sentence: 'Connecting…' },
  connecting: { tone: 'starting', sentence: 'Connecting…' },
  online: { tone: 'live', sentence: 'Live' },
  waiting: { tone: 'lost', sentence: 'Connection lost: what you see may be old.' },
  offline: { tone: 'lost', sentence: 'You are offline: what you see may be old.' },
  closed: { tone: 'closed', sentence: 'Disconnected. Load the page again.' },
}

const REFUSED: Record<number, string> = {
  4401: 'Log in to see this page live.',
  4409: 'You have been logged out. Log in, then load the page again.',
}

declare module 'alpinejs' {
  interface Stores {
    /** How many changes of this person's own the server has not taken yet. Each page counts its own. */
    unsent: { count: number }
  }
}

export default (Alpine: Alpine) => {
  Alpine.store('unsent', { count: 0 })
  Alpine.data('connectionStatus', () => ({
    shown: 'idle' as State,

    init() {
      // A try that follows a loss is still the loss: words that change with every attempt would be read out each time.
      Alpine.effect(() => {
        const { state } = this.$connection
        if (state !== 'connecting' || this.shown === 'idle') this.shown = state
      })
    },

    tone() {
      return WORDS[this.shown].tone
    },

    /** Read out when it changes, so it does not count seconds. */
    sentence() {
      return REFUSED[this.$connection.code ?? 0] ?? WORDS[this.shown].sentence
    },

    countdown() {
      if (this.shown !== 'waiting') return ''
      const { retryInS } = this.$connection
      return retryInS ? `Reconnecting in ${retryInS} s.` : 'Reconnecting…'
    },

    unsent() {
      const { count } = this.$store.unsent
      return this.shown === 'online' || count === 0 ? '' : `Your unsent changes: ${count}.`
    },
  }))
}
