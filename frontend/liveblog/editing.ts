/** Posts that are being edited in place: one draft for each, sent when its author says so. What is typed is never lost: not to
 *  another's edit, nor to a refusal, nor when the post is deleted. */

import type { Collection } from 'channels-databinding'
import { Draft, type DraftState } from 'channels-databinding/draft'
import type { Post, PostRow } from './posts.ts'

/** A draft as its form shows it. */
interface Shown extends DraftState<string> {
  readonly row: PostRow
  readonly isOpen: boolean
}

/** Made reactive by the component that holds it. */
export const editing = (collection: Collection<Post>) => {
  const drafts = new Map<string, Draft<Post, 'body'>>() // not in the object: a proxy around a Draft cannot use it

  return {
    /** By the post's key. */
    shown: {} as Readonly<Record<string, Shown>>,

    open(row: PostRow) {
      const { $key } = row
      let draft = drafts.get($key)
      if (!draft) {
        draft = new Draft(collection, row, 'body', { pauseMs: Infinity })
        drafts.set($key, draft)
        draft.subscribe(state => this.follow(row, state))
      }
      this.set($key, { ...draft.value, row, isOpen: true })
    },

    isOpen({ $key }: PostRow) {
      return this.shown[$key]?.isOpen ?? false
    },

    is({ $key }: PostRow, state: DraftState<string>['state']) {
      return this.shown[$key]?.state === state
    },

    text({ $key }: PostRow) {
      return this.shown[$key]?.value ?? ''
    },

    theirs({ $key }: PostRow) {
      return this.shown[$key]?.theirs ?? ''
    },

    problem({ $key }: PostRow) {
      const { error } = this.shown[$key] ?? {}
      return error ? Object.values(error.fields).flat().join(' ') || error.message : ''
    },

    type({ $key }: PostRow, text: string) {
      drafts.get($key)?.type(text)
    },

    /** It is on its way, and its form is closed. A conflict wants a decision first. */
    save({ $key }: PostRow) {
      drafts.get($key)?.send()
      this.rest($key)
    },

    keepMine({ $key }: PostRow) {
      drafts.get($key)?.keepMine()
      this.rest($key)
    },

    takeTheirs({ $key }: PostRow) {
      drafts.get($key)?.takeTheirs()
    },

    /** What was typed is dropped: its author says so. */
    drop({ $key }: PostRow) {
      drafts.get($key)?.close()
      drafts.delete($key)
      const { [$key]: _, ...others } = this.shown
      this.shown = others
    },

    /** Rows whose form is open although they are no longer in the list. */
    orphans(rows: readonly PostRow[]) {
      const keys = new Set(rows.map(({ $key }) => $key))
      return Object.values(this.shown).flatMap(({ row, isOpen }) => (isOpen && !keys.has(row.$key) ? [row] : []))
    },

    /** Nothing more is to be decided by its author, as far as we know. */
    rest($key: string) {
      const shown = this.shown[$key]
      if (shown?.state === 'clean') this.drop(shown.row)
      else if (shown?.state === 'sending') this.set($key, { ...shown, isOpen: false })
    },

    follow(row: PostRow, state: DraftState<string>) {
      const wasOpen = this.shown[row.$key]?.isOpen ?? true
      if (state.state === 'clean' && !wasOpen) return this.drop(row)
      const wantsDecision = state.state === 'conflict' || state.state === 'refused' || state.state === 'gone'
      this.set(row.$key, { ...state, row, isOpen: wasOpen || wantsDecision })
    },

    set($key: string, shown: Shown) {
      this.shown = { ...this.shown, [$key]: shown }
    },
  }
}
