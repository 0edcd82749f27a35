# demos
"""Both packages, built, installed, and used as the README says, in a project that has nothing else of ours."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes

import pytest
from playwright.sync_api import expect

from conftest import PATIENCE_MS
from databases import only
from newcomer import NODE_MODULES, ROOT, Site, read

pytestmark = only("sqlite", "a site is on a file of its own, as the README makes it")

README = read("README.md", after="## Use it in your app")
PAGE_AT = next(at for at, block in enumerate(README) if block.kind == "html")
ROW_AT = next(at for at, block in enumerate(README) if "manage.py shell" in block.text)
SERVER, PAGE, ROW, BUNDLED = README[:PAGE_AT], README[PAGE_AT:ROW_AT], README[ROW_AT], README[ROW_AT + 1 :]
VITE = """
export default { base: './', build: { outDir: 'board/static', rolldownOptions: {
  input: 'board.ts', output: { entryFileNames: '[name].js' } } } }
"""


# As Channels 1 had it: no snapshot, no answers, and the client that came with it.
OLD_PAGE = """{% load static %}<!doctype html>
<html lang="en">
<title>Board</title>
<script type="module" src="{% static 'board.js' %}"></script>
<ul></ul><button>+1</button><output></output>
"""
OLD_SCRIPT = """
import { WebSocketBridge } from 'django-channels'

const bridge = new WebSocketBridge()
const values = new Map()
bridge.connect('/ws/board/')
bridge.socket.addEventListener('open', () => { document.querySelector('output').textContent = 'Connected' })
bridge.listen()
bridge.demultiplex('intval', ({ action, pk, data }) => {
  if (action === 'delete') values.delete(pk)
  else values.set(pk, data)
  const items = [...values.values()].map(({ name, value }) => `<li>${name}: ${value}</li>`)
  document.querySelector('ul').innerHTML = items.join('')
})
document.querySelector('button').onclick = () => {
  for (const [pk, { value }] of values)
    bridge.stream('intval').send({ action: 'update', pk, data: { value: value + 1 } })
}
"""

# A browser reports what the page would load, run or connect to against it.
POLICY = """
def policy(get_response):
    def respond(request):
        response = get_response(request)
        response["Content-Security-Policy"] = "default-src 'self'"
        return response

    return respond
"""


# ---- what is in them


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The Python package, built from a copy: setuptools leaves things behind."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("README.md", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "backend", clone / "backend", ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*"))
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        "dist",
    ]
    subprocess.run([*build, "."], cwd=clone, check=True)
    (wheel,) = clone.glob("dist/*.whl")
    return wheel


@pytest.fixture(scope="module")
def tarball(tmp_path_factory):
    """The npm package."""
    folder = tmp_path_factory.mktemp("npm")
    pack = ["npm", "pack", "--silent", "--workspace", "js-client", "--pack-destination", folder]
    subprocess.run(pack, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = folder.glob("*.tgz")
    return tarball


def test_the_wheel_has_the_package_with_its_client_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        (metadata,) = (message_from_bytes(packed.read(name)) for name in names if name.endswith("/METADATA"))

    ours = {name for name in names if ".dist-info/" not in name}
    modules = (ROOT / "backend").glob("channels_databinding/**/*.py")
    assert ours == {str(path.relative_to(ROOT / "backend")) for path in modules} | {
        "channels_databinding/capture/postgresql.sql",
        "channels_databinding/py.typed",
        "channels_databinding/static/channels_databinding/client.js",
    }
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert {"Framework :: Django :: 5.2", "Framework :: Django :: 6.1"} < set(metadata.get_all("Classifier"))
    assert metadata.get_payload(decode=True) == (ROOT / "README.md").read_bytes()


def test_the_tarball_has_the_client_its_types_and_its_sources(tarball):
    with tarfile.open(tarball) as packed:
        names = {name.removeprefix("package/") for name in packed.getnames()}
        licence = packed.extractfile("package/LICENSE").read()

    sources = {str(path.relative_to(ROOT / "js-client/src")) for path in (ROOT / "js-client/src").glob("**/*.ts")}
    for_bundlers = {name.removesuffix(".ts") for name in sources - {"global.ts"}}
    built = {f"dist/{name}{end}" for name in for_bundlers for end in (".js", ".js.map", ".d.ts", ".d.ts.map")}
    assert names == (
        {"LICENSE", "README.md", "package.json", "dist/channels-databinding.js"}
        | {f"src/{name}" for name in sources}
        | built
    )
    assert licence == (ROOT / "LICENSE").read_bytes()


# ---- how they are used


@pytest.fixture
def site(tmp_path, wheel, browsers):
    """`mysite`, as the README makes it up to its page; alice is its superuser. It is served when a test starts it."""
    site = Site(tmp_path)
    site.type("python -m django startproject mysite . && python manage.py startapp board")
    site.follow(SERVER, wheel=wheel)
    (site.folder / "mysite/policy.py").write_text(POLICY)
    with (site.folder / "mysite/settings.py").open("a") as settings:
        settings.write('MIDDLEWARE.append("mysite.policy.policy")\n')
    yield site
    browsers.close()
    site.kill()
    told = site.told()
    print(told)  # pytest shows it with a test that failed
    assert "Traceback" not in told


@pytest.fixture
def open_board(browser, browsers, site, complaints):
    """Return `open_board(who)`: the site's board in a browser of its own. Somebody logs in by the admin first."""

    def open_board(who=None):
        context = browser.new_context()
        browsers.callback(context.close)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        if who:
            page.goto(f"{site.url}/admin/")
            page.get_by_label("Username").fill(who)
            page.get_by_label("Password").fill(who)
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_text("Site administration").first).to_be_visible()
        complaints.hear(context)
        page.goto(f"{site.url}/board/")
        return page

    return open_board


def see_each_other(site, alice, nobody):
    """The rest of the README: a row made in a shell, and a press in one browser, show in both."""
    site.type(ROW.text)
    for page in (alice, nobody):
        expect(page.get_by_role("listitem")).to_contain_text(["Goals: 0"])
    alice.get_by_role("button", name="+1").click()

    for page in (alice, nobody):
        expect(page.get_by_role("listitem")).to_contain_text(["Goals: 1"])


def begin(site):
    site.type("DJANGO_SUPERUSER_PASSWORD=alice python manage.py createsuperuser --noinput --username alice --email ''")
    site.type("python manage.py check --database default --fail-level WARNING")
    where = site.type(
        'python manage.py shell --no-imports -c "import channels_databinding; print(channels_databinding.__file__)"'
    )
    assert "/environment/" in where
    site.start()


def bundle(site):
    (site.folder / "vite.config.js").write_text(VITE)
    site.type(f"{NODE_MODULES}/.bin/vite build --logLevel warn")


def test_a_project_without_npm_is_live_as_the_readme_says(site, open_board):
    site.follow(PAGE)
    begin(site)

    alice, nobody = open_board("alice"), open_board()
    see_each_other(site, alice, nobody)

    with nobody.expect_event("dialog") as refusal:
        nobody.once("dialog", lambda dialog: dialog.accept())
        nobody.get_by_role("button", name="+1").click()
    assert refusal.value.message == "You may not do this."
    expect(nobody.get_by_role("listitem")).to_contain_text(["Goals: 1"])


def test_a_project_with_the_npm_package_is_live_as_the_readme_says(site, open_board, tarball):
    (site.folder / "package.json").write_text('{ "type": "module" }')
    site.follow([*PAGE, *BUNDLED], tarball=tarball)
    bundle(site)
    begin(site)

    see_each_other(site, open_board("alice"), open_board())


def test_alpine_from_a_script_is_live_as_the_client_page_says(site, open_board):
    site.follow(PAGE)
    site.follow(read("docs/client.md", after="## Without a bundler"))
    shutil.copy(NODE_MODULES / "@alpinejs/csp/dist/cdn.min.js", site.folder / "board/static/alpine.js")
    begin(site)

    see_each_other(site, open_board("alice"), open_board())


def test_a_page_of_channels_1_works_with_the_client_of_channels_1(site, open_board):
    site.follow(PAGE)
    (site.folder / "board/templates/board.html").write_text(OLD_PAGE)
    (site.folder / "board.ts").write_text(OLD_SCRIPT)
    (site.folder / "node_modules").symlink_to(NODE_MODULES)
    bundle(site)
    begin(site)
    alice, nobody = open_board("alice"), open_board()
    for page in (alice, nobody):
        expect(page.get_by_text("Connected")).to_be_visible()

    see_each_other(site, alice, nobody)
