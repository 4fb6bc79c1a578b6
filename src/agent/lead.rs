//! Leads a recorded command's session, and becomes the command.
//!
//! One thread, so that who it is can be changed for all of it.

use crate::accounts;
use crate::channel::read_exactly;
use crate::end_draft::EndDraft;
use crate::programs;
use crate::record::Record;
use labctl_agent::{Exec, Frames, LARGEST_FRAME};
use rustix::fs::Mode;
use rustix::process::{Gid, Uid, geteuid, setsid, umask};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// The status with which a leader ends that did not become the command.
pub(crate) const UNSTARTED: u8 = 127;

/// Becomes the command that standard input tells of. Returns only where that did not work; why is in the record then.
pub(crate) fn lead() -> io::Result<()> {
    let _ = setsid();
    let exec = read_order()?;
    let record =
        Record::new(&exec.record.instance, &exec.record.exec).map_err(|fault| io::Error::other(fault.message))?;
    // Closed on exec: the command has nothing of it.
    let draft = EndDraft::open(&record.draft())?;
    let trouble = become_command(&exec, &record, &draft);
    draft.write_trouble(&trouble)
}

/// Reads the order and no byte of what follows: that is the command's.
fn read_order() -> io::Result<Exec> {
    let mut header = [0; 4];
    read_exactly(rustix::stdio::stdin(), &mut header)?;
    let length = u32::from_be_bytes(header) as usize;
    if length > LARGEST_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    read_exactly(rustix::stdio::stdin(), &mut body)?;
    let mut frames = Frames::default();
    frames.push(&header);
    frames.push(&body);
    let order = frames.next().map_err(io::Error::other)?;
    order.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns why it did not.
fn become_command(exec: &Exec, record: &Record, draft: &EndDraft) -> String {
    umask(Mode::from_raw_mode(0o022));
    if let Err(error) = become_user(exec) {
        return format!("cannot become {}: {}", exec.user, crate::faults::plain(&error));
    }
    if env::set_current_dir(&exec.directory).is_err() {
        return format!("cannot enter the directory {}", exec.directory);
    }
    let Some(word) = exec.words.first() else {
        return "no command".to_owned();
    };
    let path = exec.environment.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map(|(_, value)| String::from_utf8_lossy(&value.0));
    let program = match programs::find(word, Path::new(""), path.as_deref()) {
        Ok(program) => program,
        Err(reason) => return reason,
    };
    draft.write_ready();
    let mut error = with_environment(programs::command(&program, &exec.words), exec, record).exec();
    if programs::is_for_the_shell(&error) {
        error = with_environment(programs::shell_command(&program, &exec.words), exec, record).exec();
    }
    programs::trouble_starting(word, &error)
}

fn with_environment(mut command: std::process::Command, exec: &Exec, record: &Record) -> std::process::Command {
    let variables = exec.environment.iter();
    command
        .env_clear()
        .envs(variables.map(|(name, value)| (name, OsStr::from_bytes(&value.0))))
        .env("LABCTL_EXEC", record.marker());
    command
}

fn become_user(exec: &Exec) -> io::Result<()> {
    let own = geteuid().as_raw();
    if exec.uid == 0 || own == exec.uid {
        // Root stays as it is; nobody else can become anybody.
        return if own == exec.uid {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        };
    }
    let mut groups: BTreeSet<u32> = exec.groups.iter().copied().collect();
    groups.extend(accounts::groups_of(&exec.user));
    groups.insert(exec.gid);
    let groups: Vec<Gid> = groups.into_iter().map(Gid::from_raw).collect();
    let (gid, uid) = (Gid::from_raw(exec.gid), Uid::from_raw(exec.uid));
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}
