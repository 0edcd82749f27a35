"""The measuring's own two sockets on each server: `/control` says what shall change, `/echo` tells how long a
bystander waits."""

import json
import os
import time
from collections import Counter

queries = Counter()


def count_queries():
    """Count the statements of every connection that is made from now on."""
    from django.db.backends.signals import connection_created

    def note(execute, sql, params, many, context):
        queries["all"] += 1
        if 'FROM "board_item"' in sql:
            queries["rows"] += 1
        return execute(sql, params, many, context)

    def wrap(connection, **kwargs):
        connection.execute_wrappers.append(note)

    connection_created.connect(wrap, weak=False)


def resident_kb():
    """Return this process's resident memory."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except OSError:  # not Linux: the most it ever had
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def controlled(app, save, update):
    """Return `app` with the two sockets beside it. `save(pk, value)` and `update(board, value)` are coroutines."""

    async def control(receive, send):
        while (event := await receive())["type"] == "websocket.receive":
            command, *numbers = event["text"].split()
            if command == "save":
                await save(*map(int, numbers))
            elif command == "update":
                await update(*map(int, numbers))
            else:
                told = {"cpu_s": time.process_time(), "resident_kb": resident_kb(), "queries": dict(queries)}
                await send({"type": "websocket.send", "text": json.dumps(told)})

    async def echo(receive, send):
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})

    own = {"/control": control, "/echo": echo}

    async def application(scope, receive, send):
        if scope["type"] != "websocket" or scope["path"] not in own:
            await app(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        await own[scope["path"]](receive, send)

    return application
