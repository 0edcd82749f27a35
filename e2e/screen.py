"""machine → line → **screen** → conftest

A page as a person meets it: by roles and labels. And what its sockets said meanwhile.
"""

import json
from itertools import count

from playwright.sync_api import expect

WRITES = ("create", "update", "delete")
# What a page says of its connection.
LIVE = "Live"
LOST = "Connection lost"
# demos
COLUMNS = ("Title", "Owner", "Status", "Due", "Notes", "Move up", "Move down", "Delete")  # of the tasks
# end of demos


class Frames:
    """What went over a page's sockets, in order: (`"→"` to the server or `"←"` from it, frame)."""

    def __init__(self, page):
        self.all = []
        page.on("websocket", self._follow)

    def _follow(self, websocket):
        websocket.on("framesent", lambda text: self.all.append(("→", json.loads(text))))
        websocket.on("framereceived", lambda text: self.all.append(("←", json.loads(text))))

    def sent(self, *actions):
        return [frame for way, frame in self.all if way == "→" and frame["payload"]["action"] in actions]

    def received(self, *actions):
        return [frame for way, frame in self.all if way == "←" and frame["payload"]["action"] in actions]

    def changes(self):
        """Return the changes that arrived, those of a batch one by one, in order."""
        return [
            change
            for frame in self.received("changes", *WRITES)
            for change in frame["payload"].get("changes", [frame["payload"]])
        ]

    def forget(self):
        self.all.clear()


class Screen:
    def __init__(self, page, url):
        self.page = page
        self.frames = Frames(page)
        page.goto(url)

    @property
    def connection(self):
        return self.page.get_by_role("complementary", name="Connection").get_by_role("status").first

    # demos
    # ---- a live blog

    @property
    def posts(self):
        return self.page.get_by_role("region", name="Posts").get_by_role("listitem")

    def post(self, text):
        return self.posts.filter(has_text=text)

    def write(self, text, *, publish=True):
        form = self.page.get_by_role("form", name="New post")
        form.get_by_label("New post").fill(text)
        form.get_by_label("Publish at once").set_checked(publish)
        form.get_by_role("button", name="Post").click()

    def edit(self, old, new):
        self.press(old, "Edit")
        form = self.page.get_by_role("form", name="Edit post")
        form.get_by_label("Text").fill(new)
        form.get_by_role("button", name="Save").click()

    def press(self, post, button):
        self.post(post).get_by_role("button", name=button).click()

    def delete(self, post):
        self.press(post, "Delete")
        self.page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    def move(self, post, *, to):
        self.press(post, "Move")
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("To the live blog").select_option(to)
        dialog.get_by_role("button", name="Move").click()

    def shows(self, *texts):
        for text in texts:
            expect(self.post(text)).to_have_count(1)
            expect(self.post(text)).to_be_visible()

    def shows_settled(self, *texts):
        """The server has said so: nothing is on its way any more."""
        self.shows(*texts)
        for text in texts:
            expect(self.post(text).get_by_text("Sending")).to_be_hidden()

    def lacks(self, *texts):
        for text in texts:
            expect(self.post(text)).to_have_count(0)

    # ---- live edit

    def slider(self, name):
        return self.page.get_by_role("slider", name=name)

    @property
    def grid(self):
        return self.page.get_by_role("grid", name="Tasks")

    @property
    def tasks(self):
        return self.grid.locator("tbody").get_by_role("row")

    def task(self, title):
        return self.tasks.filter(has=self.page.get_by_role("rowheader").filter(has_text=title))

    def cell(self, title, column):
        return self.task(title).locator("[role=rowheader], [role=gridcell]").nth(COLUMNS.index(column))

    def editor(self, column):
        return self.grid.get_by_label(column, exact=True)

    def open_cell(self, title, column):
        """Begin to write in a cell, and return what one writes into."""
        self.cell(title, column).click()
        expect(self.editor(column)).to_be_focused()
        return self.editor(column)

    @property
    def note(self):
        """What is said beside a cell."""
        return self.grid.locator(".note")

    @property
    def titles(self):
        return self.tasks.get_by_role("rowheader")

    # end of demos

    # ---- without looking

    _watches = count()

    def watch(self, text):
        """Look at every change of the page for posts with this text. Returns a question: what was seen so far?

        - `most`: of them on the page at the same time
        - `elements`: that have been one of them
        - `sending`: whether one of them was ever shown as being sent
        """
        name = f"watch{next(self._watches)}"
        self.page.evaluate(WATCH, [name, text])
        return lambda: self.page.evaluate("name => window[name]()", name)

    def mark(self):
        """The page is the same one, not loaded anew, as long as `is_marked`."""
        self.page.evaluate("window.marked = true")

    def is_marked(self):
        return self.page.evaluate("window.marked === true")


def log_in(page, url, name):
    """Go to a page, log in there as somebody does who has found it, and be back."""
    page.goto(url)
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Log in").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(name)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("navigation", name="Account")).to_contain_text(name)


WATCH = """([name, text]) => {
  const elements = new Set()
  let most = 0
  let sending = false
  const look = () => {
    const now = [...document.querySelectorAll('li')].filter(item => item.textContent.includes(text))
    most = Math.max(most, now.length)
    for (const element of now) {
      elements.add(element)
      if (element.innerText.includes('Sending')) sending = true
    }
  }
  const everything = { attributes: true, characterData: true, childList: true, subtree: true }
  new MutationObserver(look).observe(document, everything)
  look()
  window[name] = () => ({ most, sending, elements: elements.size })
}"""
