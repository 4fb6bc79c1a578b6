//! Which command is which.
//!
//! Responsible for dispatch, for the commands about the server itself and for those about names. It may not read
//! sockets; reading and writing documents is `reads` and `writes`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bson::{DateTime, Document, RawDocumentBuf, doc};

use super::bounds::LARGEST_DOCUMENT;
use super::cursors::{Cursors, FIRST_BATCH};
use super::error::CommandError;
use super::fields::Fields;
use super::filter::Filter;
use super::namespace::{Namespace, check_database};
use super::store::Store;
use super::wire::LARGEST_MESSAGE;

/// The commands there are, for the error about any other.
const KNOWN: &str = "aggregate, buildInfo, count, create, delete, drop, dropDatabase, endSessions, find, getMore, hello, \
                     insert, isMaster, killCursors, listCollections, listDatabases, listIndexes, ping";
/// The protocol's version, as MongoDB 7.0 has it. A driver refuses a server whose range misses its own: this one
/// meets those of pymongo 3.0 (0 to 3) up to pymongo 4 (from 9, and rising).
const WIRE_VERSIONS: (i32, i32) = (0, 21);
/// The most documents a driver may insert at once.
pub(crate) const LARGEST_INSERT: usize = 100_000;

/// The answer to a command.
pub(crate) type Reply = Result<RawDocumentBuf, CommandError>;

/// The stand-in: what all connections share.
#[derive(Debug)]
pub(crate) struct StandIn {
    store: Mutex<Store>,
    cursors: Mutex<Cursors>,
}

impl StandIn {
    /// Serves `store`.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store: Mutex::new(store),
            cursors: Mutex::new(Cursors::new(DateTime::now().timestamp_millis())),
        }
    }

    /// The data. A panic elsewhere leaves memory behind the disk at worst, which is no reason to refuse service.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What queries have not returned yet.
    pub(crate) fn cursors(&self) -> MutexGuard<'_, Cursors> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out the command in `arguments` for `connection` on `database`.
    pub(crate) fn command(&self, connection: i32, database: &str, arguments: &Document) -> Reply {
        let name = arguments
            .keys()
            .next()
            .ok_or_else(|| CommandError::bad_value("a command without a name"))?;
        let fields = Fields(arguments);
        if arguments.contains_key("startTransaction") || arguments.contains_key("txnNumber") {
            let text = "Transaction numbers are only allowed on a replica set member or mongos";
            return Err(CommandError::illegal_operation(text));
        }
        match name.as_str() {
            "hello" => reply(&hello(connection, fields, "isWritablePrimary")),
            "isMaster" | "ismaster" => reply(&hello(connection, fields, "ismaster")),
            "ping" | "endSessions" => reply(&doc! { "ok": 1.0 }),
            "buildInfo" | "buildinfo" => reply(&build_info()),
            _ => {
                check_database(database)?;
                self.data_command(name, database, fields)
            }
        }
    }

    fn data_command(&self, name: &str, database: &str, fields: Fields<'_>) -> Reply {
        let namespace = || Namespace::new(database, fields.text(name)?);
        match name {
            "find" => self.find(&namespace()?, fields),
            "getMore" => self.get_more(database, fields),
            "killCursors" => self.kill_cursors(fields),
            "count" => self.count(&namespace()?, fields),
            "aggregate" => self.aggregate(&namespace()?, fields),
            "insert" => self.insert(&namespace()?, fields),
            "delete" => self.delete(&namespace()?, fields),
            "create" => self.create(&namespace()?, fields),
            "drop" => self.drop_collection(&namespace()?),
            "dropDatabase" => self.drop_database(database),
            "listCollections" => self.list_collections(database, fields),
            "listDatabases" => self.list_databases(fields),
            "listIndexes" => self.list_indexes(&namespace()?),
            _ => Err(CommandError::command_not_found(name, KNOWN)),
        }
    }

    fn list_collections(&self, database: &str, fields: Fields<'_>) -> Reply {
        let filter = Filter::parse(fields.document("filter")?.unwrap_or(&Document::new()))?;
        let names: Vec<String> = {
            let store = self.store();
            let ours = store
                .collections()
                .filter(|(namespace, _)| namespace.database == database);
            ours.map(|(namespace, _)| namespace.collection.clone()).collect()
        };
        let entries = names.into_iter().map(|name| {
            doc! {
                "name": name, "type": "collection", "options": {}, "info": { "readOnly": false }, "idIndex": id_index(),
            }
        });
        let cursor = format!("{database}.$cmd.listCollections");
        self.start_cursor(cursor, entries.filter(|entry| filter.matches(entry)).collect(), fields)
    }

    fn list_indexes(&self, namespace: &Namespace) -> Reply {
        if !self.store().contains(namespace) {
            return Err(CommandError::namespace_not_found(format!(
                "ns does not exist: {namespace}"
            )));
        }
        self.start_cursor(namespace.to_string(), vec![id_index()], Fields(&Document::new()))
    }

    fn list_databases(&self, fields: Fields<'_>) -> Reply {
        let filter = Filter::parse(fields.document("filter")?.unwrap_or(&Document::new()))?;
        let mut sizes = BTreeMap::<String, u64>::new();
        for (namespace, size) in self.store().collections() {
            *sizes.entry(namespace.database.clone()).or_default() += size;
        }
        let signed = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        let total = signed(sizes.values().sum());
        let entries = sizes.into_iter().map(|(name, size)| {
            doc! { "name": name, "sizeOnDisk": signed(size), "empty": false }
        });
        let databases: Vec<_> = entries.filter(|entry| filter.matches(entry)).collect();
        reply(&doc! { "databases": databases, "totalSize": total, "ok": 1.0 })
    }

    /// Replies with the first batch of `documents`, which are not stored anywhere.
    pub(crate) fn start_cursor(&self, namespace: String, documents: Vec<Document>, fields: Fields<'_>) -> Reply {
        let options = Fields(fields.document("cursor")?.unwrap_or(fields.0));
        let size = options.amount("batchSize")?.unwrap_or(FIRST_BATCH);
        let documents = documents
            .iter()
            .map(|document| encode(document).map(Into::into))
            .collect::<Result<_, _>>()?;
        let batch = self.cursors().start(namespace.clone(), documents, size, false);
        Ok(batch.first_reply(&namespace))
    }
}

/// Puts `document` into the form that travels.
pub(crate) fn encode(document: &Document) -> Result<RawDocumentBuf, CommandError> {
    let raw = RawDocumentBuf::try_from(document).map_err(|error| CommandError::invalid_bson(error.to_string()))?;
    match raw.as_bytes().len() > LARGEST_DOCUMENT + 16 * 1024 {
        true => Err(CommandError::bad_value("the result is larger than a document may be")),
        false => Ok(raw),
    }
}

/// Makes `document` the answer to a command.
pub(crate) fn reply(document: &Document) -> Reply {
    encode(document)
}

fn hello(connection: i32, fields: Fields<'_>, primary: &str) -> Document {
    let largest = |size: usize| i32::try_from(size).unwrap_or(i32::MAX);
    let mut reply = doc! {
        primary: true,
        "maxBsonObjectSize": largest(LARGEST_DOCUMENT),
        "maxMessageSizeBytes": largest(LARGEST_MESSAGE),
        "maxWriteBatchSize": largest(LARGEST_INSERT),
        "localTime": DateTime::now(),
        "connectionId": connection,
        "minWireVersion": WIRE_VERSIONS.0,
        "maxWireVersion": WIRE_VERSIONS.1,
        "readOnly": false,
        "ok": 1.0,
    };
    if fields.flag("helloOk", false) {
        reply.insert("helloOk", true);
    }
    reply
}

fn build_info() -> Document {
    doc! {
        "version": "7.0.0",
        "versionArray": [7, 0, 0, 0],
        "gitVersion": concat!("labctl ", env!("CARGO_PKG_VERSION"), ", a stand-in and not MongoDB"),
        "modules": [],
        "bits": 64,
        "debug": false,
        "maxBsonObjectSize": i32::try_from(LARGEST_DOCUMENT).unwrap_or(i32::MAX),
        "ok": 1.0,
    }
}

fn id_index() -> Document {
    doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" }
}
