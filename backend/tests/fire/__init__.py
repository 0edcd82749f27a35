"""Three server processes, one PostgreSQL, one Redis, two hundred browsers and those who write; and whatever can happen
to them: **settings** → **models** → **bindings** → **served** · **writers** · **browser** → **misfortunes**
→ **blaze**.

`served` runs in the servers, `writers` in processes that write, the others in the test. `backend/tests/test_fire.py`
burns for a minute; as long as you like, and again with the seed that it told:

    FIRE_SECONDS=600 FIRE_SEED=7 .venv/bin/python backend/tests/servers.py \
        .venv/bin/python -m pytest backend/tests/test_fire.py
"""
