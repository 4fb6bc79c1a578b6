//! Which part of the agent does what is asked.

use crate::faults::{Outcome, failed_at};
use crate::follow::{self, Listener};
use crate::mailbox::Mailbox;
use crate::session::Session;
use crate::{copy, dial, instance, look, output, place, processes, remove, run, stopping, write};
use labctl_agent::{Answer, Request};
use std::sync::Arc;

/// Does what `request` asks, with the rights that this process has.
pub(crate) fn answer(session: &Session, id: u32, mailbox: &Arc<Mailbox>, request: Request) -> Outcome {
    let listener = Listener {
        id,
        mailbox,
        voice: session.voice(),
    };
    match request {
        Request::Run(order) => run::run(order, mailbox, session.groups(), session.hello()),
        Request::Look(order) => look::look(&order, session.accounts()).map(Answer::Seen),
        Request::Read { path, limit } => look::read(&path, limit).map(Answer::Content),
        Request::Write(order) => session.unbroken(|| write::write(&order)),
        Request::Remove(order) => remove::remove(&order, mailbox),
        Request::MakeDirectories { path } => {
            session.unbroken(|| place::make_directories(&path, write::own_links()).map(|()| Answer::Done))
        }
        Request::CopyFile { from, to } => copy::copy(&from, &to, mailbox),
        Request::FreeSpace { path } => free_space(&path),
        Request::Processes { name } => Ok(Answer::Processes(processes::named(&name))),
        Request::Dial(order) => dial::dial(&order, listener, session.groups()),
        Request::OpenInstance { directory, name } => session.unbroken(|| instance::open(&directory, &name)),
        Request::CloseInstance { directory, name } => instance::close(&directory, &name),
        Request::Keep {
            instance,
            name,
            content,
        } => session.unbroken(|| instance::keep(&instance, &name, &content.0)),
        Request::Exec(exec) => follow::run(exec, session.keepers(), listener),
        Request::Attach(attach) => follow::attach(&attach, listener),
        Request::StopExecs { instance } => stopping::stop_all(&instance).map(|()| Answer::Done),
        Request::ForgetOutput { instance, exec } => output::forget(&instance, &exec),
        Request::PrintedIds { instance, exec } => output::printed_ids(&instance, &exec),
    }
}

fn free_space(path: &str) -> Outcome {
    let known = rustix::fs::statvfs(path).map_err(|error| failed_at(path, error))?;
    Ok(Answer::FreeSpace(known.f_bavail.saturating_mul(known.f_frsize)))
}
