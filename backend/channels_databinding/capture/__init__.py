"""… → models → **capture** → journal → …

Database triggers that write one journal row for every changed row, in the transaction that changes it. One module
a database (`sqlite`), and `install`, which puts the triggers where bindings need them.
"""
