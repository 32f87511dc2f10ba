"""What a call is compared with: Flask that parses the same body and answers the same bytes, and does nothing else.

Served by the same server, with one worker and as many threads. `BENCH_ANSWERS` names a folder with the answer of each
case.
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson
from flask import Flask, Response, request

ANSWERS = {path.stem: path.read_bytes() for path in Path(os.environ["BENCH_ANSWERS"]).glob("*.json")}

app = Flask("baseline")


@app.post("/<case>")
def answer(case: str) -> Response:
    orjson.loads(request.get_data(cache=False))
    return Response(ANSWERS[case], mimetype="application/json")
