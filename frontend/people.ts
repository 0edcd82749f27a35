/** Who is here: a sentence, and a face for each who has a name. Its HTML is people.html. */

import type { Alpine } from 'alpinejs'
import type { Params, Person } from 'channels-databinding'
import type { LivePresence } from 'channels-databinding/alpine'

const FACES = 4 // more are a number: it all stays in one line, on a phone too
const APART_MS = 10_000 // between two sentences that are read out
const COLOURS = 8 // in app.css

const seen = new Map<string, number>()

/** The colour of a person, the same wherever they show on this page: as long as it can be, nobody else's. */
export function colour({ $key }: Person<object>): number {
  const known = seen.get($key) ?? seen.size % COLOURS
  seen.set($key, known)
  return known
}

/** What somebody is called by the others. */
export const named = ({ name }: Person<object>): string => name || 'Somebody'

/** `Alpine.plugin(people('posts', 'reading', { params }))` shows who is here of those who see this stream. */
export default (stream: string, doing: string, options: { params?: Params } = {}) =>
  (Alpine: Alpine) =>
    Alpine.data('people', () => ({
      here: { people: [], more: 0 } as unknown as LivePresence<object>,
      announced: '',

      init() {
        this.here = this.$presence(stream, options)
        let waits = false
        const announce = () => {
          waits = false
          if (this.announced === this.sentence()) return
          this.announced = this.sentence()
          wait()
        }
        const wait = () => {
          if (!waits) setTimeout(announce, APART_MS)
          waits = true
        }
        this.$watch('here.people', wait)
      },

      count() {
        return this.here.people.length + this.here.more
      },

      sentence() {
        const count = this.count()
        if (count === 0) return ''
        return count === 1 ? `Only you are ${doing}` : `${count} people are ${doing}`
      },

      /** Who has no name is only counted. */
      faces() {
        return this.here.people.filter(({ name }) => name).slice(0, FACES)
      },

      rest() {
        const faces = this.faces().length
        return faces > 0 ? this.count() - faces : 0
      },

      restLabel() {
        return this.rest() === 1 ? '1 more person' : `${this.rest()} more people`
      },

      label(person: Person<object>) {
        return person.isMe ? `${person.name} (you)` : person.name
      },

      /** Of "Ada Lovelace" and "ada.lovelace" AL, of "ada" A. */
      initials({ name }: Person<object>) {
        const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean)
        const first = [words[0], words.length > 1 ? words.at(-1) : undefined]
        return first.map(word => [...(word ?? '')][0]?.toUpperCase() ?? '').join('')
      },

      colour,
    }))
