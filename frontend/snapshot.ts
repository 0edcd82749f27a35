/** What the page came with. */

import type { Snapshot } from 'channels-databinding'

/** The rows that Django put into the page by `{{ rows|json_script:"id" }}`. */
export const carried = (id: string): Snapshot => {
  const element = document.getElementById(id)
  if (!element) throw new Error(`The page has no <script id="${id}">. Is json_script missing in its template?`)
  return JSON.parse(element.textContent ?? '') as Snapshot
}
