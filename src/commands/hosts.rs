//! `--hosts`: what is to become of the names that a lab wants to lead to its nodes, decided before anything is touched.

use super::failure::Failure;
use super::session::Session;
use crate::domain::{
    HostEntry, HostLine, HostWork, InstanceId, Plan, PlannedHost, host_entries, marked_host_lines, shell_quoted,
};
use crate::exit::Exit;
use rustix::fs::{Access, access};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The hosts file of this machine, as it is now.
struct HostsFile {
    path: PathBuf,
    content: Vec<u8>,
}

impl HostsFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn hosts_file(session: &Session) -> io::Result<HostsFile> {
    let path = session.working_directory.join(&session.common.hosts_file);
    match fs_err::read(&path) {
        Ok(content) => Ok(HostsFile { path, content }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HostsFile {
            path,
            content: Vec::new(),
        }),
        Err(error) => Err(error),
    }
}

/// Decides for every name in `plan` what is done about it: with `asked`, it gets a line of `instance` in the hosts file, where it has none.
pub(super) async fn decide(
    session: &Session,
    plan: &mut Plan,
    instance: &InstanceId,
    asked: bool,
) -> Result<(), Failure> {
    if asked && plan.hosts.is_empty() {
        return Err(Failure::usage("nothing that is run has names for the hosts file").hint("run without --hosts"));
    }
    let file = match hosts_file(session) {
        Ok(file) => file,
        Err(_) if !asked => return Ok(()),
        Err(error) => return Err(Failure::new(Exit::CouldNotRun, error)),
    };
    for host in &mut plan.hosts {
        match resolved(host).await {
            Ok(address) => host.address = address.to_string(),
            Err(failure) if asked => return Err(failure),
            // A name is no address for a hosts file: nobody is told of a line that would not work.
            Err(_) => {
                host.work = HostWork::Nothing;
                continue;
            }
        }
        let entries = host_entries(&file.content, &host.name);
        host.work = match entries.first() {
            Some(entry) if entry.address == host.address => HostWork::Nothing,
            _ if !asked => HostWork::Tell,
            Some(entry) => return Err(refusal(&file, host, entry)),
            None => {
                refuse_unwritable(&file, host)?;
                HostWork::Add(HostLine::new(&file.name(), &host.address, &host.name, instance))
            }
        };
    }
    Ok(())
}

/// Returns the address that `host` is to lead to: a hosts file knows no names for that.
async fn resolved(host: &PlannedHost) -> Result<IpAddr, Failure> {
    // As in a link, an IPv6 address stands in brackets.
    let address = host.address.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse() {
        return Ok(address);
    }
    let cannot = |why: &str| {
        Failure::could_not_run(format!(
            "{} is to lead to {}, whose address {why}",
            host.name, host.address
        ))
    };
    let found = tokio::net::lookup_host((host.address.as_str(), 0)).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| cannot(&format!("is not known: {error}")))?
        .collect();
    let first = found.iter().find(|found| found.is_ipv4()).or_else(|| found.first());
    first.map(SocketAddr::ip).ok_or_else(|| cannot("is not known"))
}

fn refusal(file: &HostsFile, host: &PlannedHost, entry: &HostEntry) -> Failure {
    let name = &host.name;
    let message = format!(
        "{} leads {name} to {} already, with the line `{}`",
        file.name(),
        entry.address,
        entry.line.trim()
    );
    let hint = match entry.line.rsplit_once("# labctl ") {
        Some((_, instance)) => {
            let line = HostLine {
                file: file.name(),
                text: entry.line.trim().to_owned(),
            };
            format!(
                "`labctl cleanup --instance {instance}` takes that line out; where that instance is gone, {}",
                line.removal()
            )
        }
        None => "take that line out, or run without --hosts".to_owned(),
    };
    Failure::usage(message).hint(hint)
}

fn refuse_unwritable(file: &HostsFile, host: &PlannedHost) -> Result<(), Failure> {
    let place = match file.path.parent() {
        Some(parent) if !file.path.exists() => parent,
        _ => &file.path,
    };
    let Err(error) = access(place, Access::WRITE_OK) else {
        return Ok(());
    };
    let message = format!("{} cannot be changed: {}", file.name(), io::Error::from(error));
    Err(Failure::could_not_run(message).hint(format!(
        "run `echo '{} {}' | sudo tee -a {}`, and labctl without --hosts",
        host.address,
        host.name,
        shell_quoted(&file.name())
    )))
}

/// Returns the lines in the hosts file of this machine that bear the mark of `instance`, whose journal is lost.
pub(super) fn marked(session: &Session, instance: &InstanceId) -> Vec<HostLine> {
    let file = hosts_file(session).ok();
    file.map_or_else(Vec::new, |file| {
        marked_host_lines(&file.content, &file.name(), instance)
    })
}
