/** … writes → rows → **liveness** → subscription → collection → …
 *
 *  How far the rows of a subscription can be believed: the states, and what leads from one to another.
 */

/** - `idle`: nobody looks, or the server refused (then there is an error).
 *  - `loading`: asked for, not complete yet.
 *  - `live`: complete, and every change is heard.
 *  - `stale`: was complete, is no longer followed. It catches up as soon as it can. */
export type Liveness = 'idle' | 'loading' | 'live' | 'stale'

export type Cause = 'woken' | 'carried' | 'caught up' | 'lost' | 'reset' | 'refused' | 'asleep'

export const MOVES: Record<Liveness, Partial<Record<Cause, Liveness>>> = {
  idle: { woken: 'loading', carried: 'stale', refused: 'idle' },
  loading: { 'caught up': 'live', refused: 'idle', asleep: 'idle' },
  live: { lost: 'stale', reset: 'stale', refused: 'idle', asleep: 'idle' },
  stale: { 'caught up': 'live', refused: 'idle', asleep: 'idle' },
}
