/** What more than one page says. */

import { type RowExtras, type State, WriteError } from 'channels-databinding'

/** Why a write was refused, for the person who tried. Anything but a refusal is our own fault and thrown on. */
export const reason = (error: unknown): string => {
  if (!(error instanceof WriteError)) throw error
  return Object.values(error.fields).flat().join(' ') || error.message
}

/** How many own changes wait for the connection to come back, or nothing. */
export const unsent = (rows: readonly RowExtras[], state: State): string => {
  const count = state === 'online' ? 0 : rows.filter(row => row.$pending).length
  if (count === 0) return ''
  return count === 1 ? '1 change of yours is not sent yet.' : `${count} changes of yours are not sent yet.`
}
