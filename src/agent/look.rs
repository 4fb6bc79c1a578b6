//! Looks at paths, and reads files.

use crate::accounts::Accounts;
use crate::channel::CHUNK;
use crate::faults::{failed, failed_at, is_absent};
use labctl_agent::{Content, Fault, FileKind, LARGEST_FRAME, Look, Seen};
use rustix::fs::{Access, AtFlags, CWD, OFlags, accessat};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

/// How much of a file an answer has room for.
const MOST: u64 = (LARGEST_FRAME - (64 << 10)) as u64;

/// Says what stands at a path; `None` where nothing does. Of a file that must not be read, content and hash are left out, and
/// `may_read` says so.
pub(crate) fn look(order: &Look, accounts: &Accounts) -> Result<Option<Seen>, Fault> {
    let path = &order.path;
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed_at(path, error)),
    };
    let kind = kind(metadata.file_type());
    let may = |access| accessat(CWD, path, access, AtFlags::EACCESS).is_ok();
    let mut seen = Seen {
        kind,
        size: metadata.len(),
        mode: metadata.mode() & 0o7777,
        modified_ns: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        owner: accounts.user(metadata.uid()),
        group: accounts.group(metadata.gid()),
        may_read: may(Access::READ_OK),
        may_write: may(Access::WRITE_OK),
        sha256: None,
        content: Vec::new(),
        names: Vec::new(),
        target: None,
    };
    match look_inside(order, &mut seen) {
        // It was there a moment ago.
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            seen.may_read = false;
            Ok(Some(seen))
        }
        Err(error) => Err(failed_at(path, error)),
        Ok(()) => Ok(Some(seen)),
    }
}

fn look_inside(order: &Look, seen: &mut Seen) -> io::Result<()> {
    match seen.kind {
        FileKind::File if order.hash => {
            let (content, hash) = hashed(open(&order.path, true)?, order.content)?;
            seen.content = content;
            seen.sha256 = Some(hash);
        }
        FileKind::File if order.content > 0 => {
            let file = open(&order.path, true)?;
            file.take(order.content.min(MOST)).read_to_end(&mut seen.content)?;
        }
        FileKind::Directory if order.names => {
            for entry in fs::read_dir(&order.path)? {
                seen.names.push(entry?.file_name().into_vec());
            }
            seen.names.sort();
        }
        FileKind::Link => seen.target = Some(fs::read_link(&order.path)?.as_os_str().as_bytes().to_vec()),
        _ => {}
    }
    Ok(())
}

fn kind(file_type: FileType) -> FileKind {
    if file_type.is_file() {
        FileKind::File
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_symlink() {
        FileKind::Link
    } else if file_type.is_socket() {
        FileKind::Socket
    } else {
        FileKind::Other
    }
}

/// Opens a file; one that is a pipe does not hold it up.
fn open(path: &str, refuses_link: bool) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    flags.set(OFlags::NOFOLLOW, refuses_link);
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Returns the first bytes of `file`, as many as are `wanted`, and the hash of all.
fn hashed(mut file: File, wanted: u64) -> io::Result<(Vec<u8>, String)> {
    let wanted = usize::try_from(wanted.min(MOST)).map_err(io::Error::other)?;
    let (mut content, mut hash, mut buffer) = (Vec::new(), Sha256::new(), vec![0; CHUNK]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        let room = wanted - content.len();
        content.extend_from_slice(&buffer[..read.min(room)]);
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok((content, text))
}

/// Reads the beginning of a regular file, links followed; `None` where nothing is there.
pub(crate) fn read(path: &str, limit: u64) -> Result<Option<Content>, Fault> {
    let file = match open(path, false) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        // What is no file and cannot be opened as one, such as a socket.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            return Err(failed(format!("{path} is not a regular file")));
        }
        Err(error) => return Err(failed_at(path, error)),
    };
    let trouble = |error: io::Error| failed_at(path, error);
    let metadata = file.metadata().map_err(trouble)?;
    if metadata.is_dir() {
        return Err(failed(format!("{path} is a directory")));
    }
    if !metadata.is_file() {
        return Err(failed(format!("{path} is not a regular file")));
    }
    let limit = limit.min(MOST);
    let mut bytes = Vec::new();
    // What the kernel makes up as it is read says nothing of its size.
    (&file).take(limit).read_to_end(&mut bytes).map_err(trouble)?;
    let is_cut = bytes.len() as u64 == limit && (&file).read(&mut [0]).map_err(trouble)? > 0;
    Ok(Some(Content { bytes, is_cut }))
}
