# demos
"""Two server processes on one database: it does not matter on which one you are."""

from playwright.sync_api import expect

from screen import LOST


def test_people_on_two_servers_see_each_other(visit, second_server):
    alice, bob = visit("alice", "/live-edit/"), visit("bob", "/live-edit/", at=second_server.url)

    alice.slider("Bass").press("End")
    expect(bob.slider("Bass")).to_have_value("100")

    bob.slider("Bass").press("Home")
    expect(alice.slider("Bass")).to_have_value("0")


def test_who_loses_one_server_goes_on_with_the_other_and_misses_nothing(visit, line, server, second_server):
    alice, bob = visit("alice", at=line.url), visit("bob", at=second_server.url)
    bob_writes = visit("alice", at=second_server.url)
    alice.mark()
    alice.frames.forget()

    server.kill()
    expect(alice.connection).to_contain_text(LOST)
    alice.write("From the ruins")
    bob_writes.write("In between")
    bob_writes.delete("12'")
    bob.shows("In between")
    line.mend(second_server.port)

    alice.shows_settled("From the ruins", "In between")
    alice.lacks("12'")
    bob.shows("From the ruins")
    assert alice.is_marked()
    assert "since" in alice.frames.sent("subscribe")[-1]["payload"]
    assert not alice.frames.received("snapshot", "reset")


def test_a_server_told_to_stop_stops_with_browsers_connected(visit, second_server, cuts):
    alice = visit("alice", "/live-edit/", at=second_server.url)

    second_server.stop()

    expect(alice.connection).to_contain_text(LOST)
