"""Drives the stand-in for MongoDB with whatever pymongo is installed: check.py PORT [after-restart].

Run by tests/services/pymongo/run, once for each pymongo. Works with every pymongo from 3.0 on.
"""

import sys
import threading

import pymongo
from pymongo import MongoClient, errors

OLD = pymongo.version_tuple < (3, 7)


def count(collection, query):
    return collection.find(query).count() if OLD else collection.count_documents(query)


def raises(kind, action):
    try:
        action()
    except kind as error:
        return error
    raise AssertionError("%s was not raised" % kind.__name__)


def main():
    client = MongoClient("127.0.0.1", int(sys.argv[1]), serverSelectionTimeoutMS=5000)
    posts = client.chat_test.posts
    if sys.argv[2:] == ["after-restart"]:
        assert count(posts, {}) == 250, count(posts, {})
        client.drop_database("chat_test")
        client.close()
        return

    assert client.admin.command("ping")["ok"] == 1
    assert "stand-in" in client.server_info()["gitVersion"]
    client.drop_database("chat_test")
    posts.drop()  # a collection that is not there
    assert count(posts, {}) == 0 and posts.find_one() is None

    first = posts.insert_one({"user": "ann", "message": "hello <b>\u00e9\U0001f600</b>"}).inserted_id
    assert posts.find_one({"_id": first})["message"].endswith("\U0001f600</b>")
    raises(errors.DuplicateKeyError, lambda: posts.insert_one({"_id": first}))

    posts.insert_many([{"user": "bob", "n": n} for n in range(249)])
    assert count(posts, {}) == 250 and count(posts, {"user": "bob", "n": {"$gte": 200}}) == 49
    numbers = [post["n"] for post in posts.find({"user": "bob"}).sort("n", -1).batch_size(7)]
    assert numbers == list(range(248, -1, -1)), numbers
    assert [post["n"] for post in posts.find({"user": "bob"}).sort("_id", 1).skip(5).limit(3)] == [5, 6, 7]
    assert [sorted(post) for post in posts.find({"user": "ann"}, {"user": 1, "_id": 0})] == [["user"]]
    if not OLD:
        assert posts.estimated_document_count() == 250
        assert count(posts, {"user": "nobody"}) == 0
        assert client.chat_test.list_collection_names() == ["posts"]
        assert "chat_test" in client.list_database_names()
    groups = posts.aggregate([{"$group": {"_id": "$user", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}])
    assert [(group["_id"], group["n"]) for group in groups] == [("ann", 1), ("bob", 249)]

    error = raises(errors.OperationFailure, lambda: posts.update_one({}, {"$set": {"a": 1}}))
    assert error.code == 59, error.code
    raises(errors.OperationFailure, lambda: posts.find_one({"user": {"$regex": "a"}}))
    raises(errors.OperationFailure, lambda: list(posts.aggregate([{"$lookup": {}}])))

    scratch = client.chat_test.scratch
    big = "x" * (15 * 1024 * 1024)
    scratch.insert_many([{"_id": n, "text": big} for n in range(4)])
    assert sum(len(document["text"]) for document in scratch.find()) == 4 * len(big)
    assert scratch.delete_many({"_id": {"$lt": 2}}).deleted_count == 2
    assert scratch.delete_one({}).deleted_count == 1 and count(scratch, {}) == 1
    unacknowledged = scratch.with_options(write_concern=pymongo.WriteConcern(w=0))
    unacknowledged.insert_one({"_id": "quiet"})
    scratch.drop()

    workers = [threading.Thread(target=crowd, args=(client, n)) for n in range(10)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    assert count(client.chat_test.crowd, {}) == 200
    client.chat_test.crowd.drop()
    client.close()


def crowd(client, number):
    for n in range(20):
        client.chat_test.crowd.insert_one({"_id": number * 100 + n})


main()
print("pymongo %s: ok" % pymongo.version)
