/** What more than one page says. */

import { WriteError } from 'channels-databinding'

/** Why a write was refused, for the person who tried. Anything but a refusal is our own fault and thrown on. */
export const reason = (error: unknown): string => {
  if (!(error instanceof WriteError)) throw error
  return Object.values(error.fields).flat().join(' ') || error.message
}
