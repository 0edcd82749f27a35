"""Visitors who wish us ill, and what they are sent against: **settings** → **target** · **wire** → **frames** →
**breakage** → **server** → **witness** → **attack**.

The target is a server process of its own; nothing here is imported by it but `settings` and `target`, and nobody else
imports those. `backend/tests/test_hostile.py` has 2,000 frames, `bench/hostile.py` as many as you like.
"""
