//! The HAProxy process.
//!
//! Responsible for starting, reloading and stopping it. It runs as a master that follows its workers: told to reload, it starts a worker with
//! the new configuration that takes over the open ports, and the old one ends with its last request. What became of that is asked at the
//! master's own socket, as a signal sent too early would kill it and one sent later tells nothing.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::InterlockError;
use super::applied::Proxy;

/// How long a trial, a start or a reload may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long the master may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How often the master is asked how far it is.
const ASKING: Duration = Duration::from_millis(20);
/// How long requests may go on that run when it is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A running HAProxy.
#[derive(Debug)]
pub(super) struct Haproxy {
    program: String,
    config: PathBuf,
    master: PathBuf,
    child: Child,
}

/// What a master says of its workers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Workers {
    /// Reloads that failed, one after the other.
    failed: u32,
    /// The process ids of those that serve by the last configuration.
    current: Vec<u32>,
}

impl Haproxy {
    /// Starts `program` with the configuration at `config`.
    pub(super) async fn start(program: &str, config: &Path) -> Result<Self, InterlockError> {
        let master = config.parent().unwrap_or(Path::new("")).join("proxy.master.sock");
        let child = spawn(program, config, &master).map_err(|source| InterlockError::NoProxy {
            program: program.to_owned(),
            source,
        })?;
        let mut started = Self {
            program: program.to_owned(),
            config: config.to_owned(),
            master,
            child,
        };
        started.until_it_serves().await.map_err(InterlockError::FirstRefused)?;
        Ok(started)
    }

    /// Tells whether `program` would take the configuration at `path`; an error means that it cannot be run.
    pub(super) async fn validate_with(program: &str, path: &Path) -> std::io::Result<Result<(), String>> {
        let mut trial = Command::new(program);
        trial
            .arg("-c")
            .arg("-f")
            .arg(path)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let Ok(output) = timeout(DEADLINE, trial.output()).await else {
            return Ok(Err("it looked at it for too long".to_owned()));
        };
        let output = output?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        Ok(Err(alerts(&String::from_utf8_lossy(&output.stderr))))
    }

    /// Lets requests that run end, for a while, and ends it.
    pub(super) async fn stop(&mut self) {
        for (signal, patience) in [(Signal::USR1, GRACE), (Signal::TERM, Duration::from_secs(2))] {
            let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
            if let Some(pid) = pid {
                // It may have ended meanwhile.
                let _ = kill_process(pid, signal);
            }
            if timeout(patience, self.child.wait()).await.is_ok() {
                return;
            }
        }
        // There is nothing left to try.
        let _ = self.child.kill().await;
    }

    async fn until_it_serves(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended at once with {status}; what it said stands above"));
            }
            if self.workers().await.is_some_and(|workers| !workers.current.is_empty()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("it did not serve within {} s", DEADLINE.as_secs()));
            }
            sleep(ASKING).await;
        }
    }

    async fn workers(&self) -> Option<Workers> {
        let answer = self.ask("show proc").await.ok()?;
        Some(Workers::read(&answer))
    }

    async fn ask(&self, command: &str) -> std::io::Result<String> {
        let exchange = async {
            let mut stream = UnixStream::connect(&self.master).await?;
            stream.write_all(format!("{command}\n").as_bytes()).await?;
            // Otherwise it waits for the next command.
            stream.shutdown().await?;
            let mut answer = Vec::new();
            stream.take(1 << 20).read_to_end(&mut answer).await?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        timeout(ANSWER, exchange).await?
    }
}

impl Proxy for Haproxy {
    async fn validate(&self, path: &Path) -> Result<(), String> {
        match Self::validate_with(&self.program, path).await {
            Ok(verdict) => verdict,
            Err(error) => Err(format!("{} cannot be run: {error}", self.program)),
        }
    }

    async fn reload(&mut self) -> Result<(), String> {
        let before = self.workers().await.ok_or("HAProxy's master does not answer")?;
        // A master that starts itself anew breaks off before it has answered.
        let _ = self.ask("reload").await;
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("HAProxy ended with {status} instead of reloading"));
            }
            let now = self.workers().await.unwrap_or_default();
            if now.failed > before.failed {
                return Err("HAProxy could not reload, and serves as before; what it said stands above".to_owned());
            }
            if !now.current.is_empty() && now.current != before.current {
                return Ok(());
            }
            sleep(ASKING).await;
        }
        Err(format!("HAProxy did not reload within {} s", DEADLINE.as_secs()))
    }

    async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    async fn restart(&mut self) -> Result<(), String> {
        self.child = spawn(&self.program, &self.config, &self.master).map_err(|error| error.to_string())?;
        self.until_it_serves().await
    }
}

fn spawn(program: &str, config: &Path, master: &Path) -> std::io::Result<Child> {
    Command::new(program)
        .arg("-W")
        .arg("-S")
        .arg(format!("{},mode,600", master.display()))
        .arg("-f")
        .arg(config)
        .stdin(Stdio::null())
        // A terminal's Ctrl-C is for us, who then let it end in peace.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

impl Workers {
    /// Reads what `show proc` answers: a table with sections for workers and old workers.
    fn read(answer: &str) -> Self {
        let mut workers = Self::default();
        for line in answer.lines().take_while(|line| !line.starts_with("# old workers")) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            match fields.as_slice() {
                [_, "master", _, "[failed:", failed, ..] => {
                    workers.failed = failed.trim_end_matches(']').parse().unwrap_or_default();
                }
                [pid, "worker", ..] => workers.current.extend(pid.parse::<u32>()),
                _ => {}
            }
        }
        workers
    }
}

/// What HAProxy said that made it refuse.
fn alerts(output: &str) -> String {
    let alerts: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("[ALERT]"))
        .filter_map(|line| line.split_once(" : ").map(|(_, text)| text.trim()))
        .take(3)
        .collect();
    if alerts.is_empty() {
        return "it did not say why".to_owned();
    }
    alerts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "#<PID>          <type>          <reloads>       <uptime>        <version>
32607           master          2 [failed: 1]   0d00h00m01s     2.6.12-1+deb12u4
# workers
806             worker          0               0d00h00m00s     2.6.12-1+deb12u4
# old workers
32610           worker          1               0d00h00m01s     2.6.12-1+deb12u4
# programs

";

    #[test]
    fn a_masters_table_tells_who_serves() {
        let wanted = Workers {
            failed: 1,
            current: vec![806],
        };
        assert_eq!(Workers::read(ANSWER), wanted);
        assert_eq!(Workers::read(""), Workers::default());
    }

    #[test]
    fn what_made_it_refuse_is_found_among_what_it_said() {
        let output = "[NOTICE]   (1) : haproxy version is 2.6.12\n[ALERT]    (1) : config : parsing [a:3] : unknown keyword 'b'\n";
        assert_eq!(alerts(output), "config : parsing [a:3] : unknown keyword 'b'");
        assert_eq!(alerts(""), "it did not say why");
    }
}
