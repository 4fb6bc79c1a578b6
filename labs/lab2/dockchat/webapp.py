"""DockChat: a page with a form and everything that was posted through it.

Messages are kept in MongoDB, which answers to the name "db". Any number of copies of this program can serve the same
messages; each says on its page which container it runs in.
"""

import os
import signal
import socket
import sys
import unicodedata

from flask import Flask, render_template, request
from pymongo import MongoClient
from pymongo.errors import PyMongoError

DB_HOST = os.environ.get("DOCKCHAT_DB_HOST", "db")
DB_PORT = int(os.environ.get("DOCKCHAT_DB_PORT", "27017"))
PORT = int(os.environ.get("DOCKCHAT_PORT", "5000"))
LONGEST_USER = 64
LONGEST_MESSAGE = 2000
SHOWN = 200

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
# The client connects in the background, so the page is there before the database is. The timeouts keep a page from
# hanging when the database is away.
posts = MongoClient(
    DB_HOST, DB_PORT, serverSelectionTimeoutMS=3000, connectTimeoutMS=2000, socketTimeoutMS=5000
).dockchat.posts


def render(status=200, messages=(), total=None, **form):
    """Renders the page; `total` is unknown while the database is away."""
    text = render_template(
        "form_action.html",
        hostname=socket.gethostname(),
        messages=messages,
        total=total,
        longest_user=LONGEST_USER,
        longest_message=LONGEST_MESSAGE,
        **form,
    )
    return text, status


def page(status=200, **form):
    """Reads the messages and renders the page with them."""
    try:
        total = posts.count_documents({})
        messages = list(posts.find().sort("_id", -1).limit(SHOWN))[::-1]
    except PyMongoError as error:
        return unavailable(error, "The database does not answer. Try again in a moment.")
    return render(status, messages, total, **form)


def unavailable(error, problem, **form):
    """Says on the page, and with its reason in the log, that the database is away."""
    app.logger.error("the database at %s:%d does not answer: %s", DB_HOST, DB_PORT, error)
    return render(503, problem=problem, **form)


@app.route("/", methods=["GET"])
def root():
    """Shows the form and the messages."""
    return page()


def posted(field):
    """Reads a field of the form; what no page can show becomes a replacement character."""
    text = request.form.get(field, "").strip()
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


@app.route("/chat/", methods=["GET", "POST"])
def chat():
    """Stores a message and shows the page with it."""
    if request.method == "GET":
        return page()
    user, message = posted("user"), posted("message")
    form = {"user": user[:LONGEST_USER], "message": message[:LONGEST_MESSAGE]}
    if not user or not message:
        return page(400, problem="Please enter your name and a message.", **form)
    if len(user) > LONGEST_USER or len(message) > LONGEST_MESSAGE:
        return page(400, problem="That name or message is too long.", **form)
    try:
        posts.insert_one({"user": user, "message": message})
    except PyMongoError as error:
        return unavailable(error, "The message was not stored: the database does not answer.", **form)
    return page(user=user)


@app.after_request
def headers(response):
    """Keeps pages out of caches, so that every refresh is answered by a container, and scripts out of pages."""
    response.headers["Cache-Control"] = "no-store" if request.endpoint != "static" else "max-age=300"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def stop(_number, _frame):
    """Ends the program at once: as process 1 of a container it would ignore SIGTERM otherwise."""
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    app.run(host="0.0.0.0", port=PORT, threaded=True)
