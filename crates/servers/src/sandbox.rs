//! A folder, the processes that run in it, and how both go away.

use std::fs::{OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::ServerError;
use crate::account::Account;
use crate::tree;

/// The warden: a shell that outlives whoever started it, however that ends. Each line it reads
/// names the processes that run now; at the end of its input it ends them and deletes the folder.
/// It wakes paused ones up first, and kills those that have not ended after ten seconds: twice
/// what PostgreSQL gives its own processes. Where nobody collects orphans, ended ones stay visible.
const WARDEN: &str = r#"
trap '' HUP INT TERM
alive() { kill -0 "$1" && ! grep -q '^State:.Z' "/proc/$1/status"; }
folder=$1 signal=$2 processes=
while read -r line; do processes=$line; done
for process in $processes; do kill -CONT "$process"; kill "-$signal" "$process"; done
tries=200
for process in $processes; do
    while [ $tries -gt 0 ] && alive "$process"; do sleep 0.05; tries=$((tries - 1)); done
    kill -KILL "$process"
done
rm -rf "$folder"
"#;

/// How much of what a program said goes into an error.
const TAIL_BYTES: u64 = 4_000;

/// How long a killed or stopped server may take to be gone; much more than any needs.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(30);

/// How a server is ended when nobody needs it any more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    /// Killed outright.
    Kill,
    /// Told to leave everything as it is and end at once, so that it gives back memory that the
    /// operating system would keep.
    Quit,
}

/// A folder of one server and what runs in it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    path: PathBuf,
    account: Option<Account>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    warden: Child,
    running: Vec<(&'static str, Child)>,
}

impl Sandbox {
    /// A new folder that only the server's account may enter.
    pub(crate) fn create(ending: Ending) -> Result<Self, ServerError> {
        let path = tempfile::Builder::new()
            .prefix("outcry-server-")
            .tempdir()
            .map_err(ServerError::io("create a folder"))?
            .keep();
        let signal = match ending {
            Ending::Kill => "KILL",
            Ending::Quit => "QUIT",
        };
        let warden = Command::new("sh")
            .args(["-c", WARDEN, "warden"])
            .arg(&path)
            .arg(signal)
            .current_dir("/")
            // Not hit by what a terminal sends to the tests.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ServerError::io("start a shell"))?;
        let sandbox = Self {
            path,
            account: Account::to_change_to(),
            state: Mutex::new(State {
                warden,
                running: Vec::new(),
            }),
        };
        sandbox.give(&sandbox.path)?;
        Ok(sandbox)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A folder in it.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, ServerError> {
        let path = self.path.join(name);
        std::fs::create_dir(&path)
            .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(0o700)))
            .map_err(ServerError::io(format!("create {}", path.display())))?;
        self.give(&path)?;
        Ok(path)
    }

    /// Writes a file in it, which only the server's account may read.
    pub(crate) fn write(&self, name: &str, contents: &str) -> Result<PathBuf, ServerError> {
        let path = self.path.join(name);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(contents.as_bytes()))
            .map_err(ServerError::io(format!("write {}", path.display())))?;
        self.give(&path)?;
        Ok(path)
    }

    fn give(&self, path: &Path) -> Result<(), ServerError> {
        let Some(account) = self.account else {
            return Ok(());
        };
        chown(path, Some(account.user), Some(account.group))
            .map_err(ServerError::io(format!("give away {}", path.display())))
    }

    /// A command that will run here: as the server's account, without this process's variables.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = self.own_command(program);
        if let Some(account) = self.account {
            command.uid(account.user).gid(account.group);
        }
        command
    }

    /// The same as this process's own account: for programs that only that one can read.
    pub(crate) fn own_command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.path)
            .env("LANG", "C.UTF-8")
            .env("TMPDIR", &self.path)
            .current_dir(&self.path)
            .process_group(0)
            .stdin(Stdio::null());
        command
    }

    /// Starts a command under a name; what it says goes to a file.
    pub(crate) fn start(
        &self,
        name: &'static str,
        mut command: Command,
    ) -> Result<(), ServerError> {
        let mut state = self.state();
        if state.find(name).is_some() {
            return Err(ServerError::Up(name));
        }
        let said = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.said(name))
            .map_err(ServerError::io("open a log"))?;
        let also = said.try_clone().map_err(ServerError::io("open a log"))?;
        let child = command
            .stdout(said)
            .stderr(also)
            .spawn()
            .map_err(ServerError::io(format!("start {name}")))?;
        state.running.push((name, child));
        state.tell()
    }

    /// Runs a command to its end.
    pub(crate) async fn run(
        &self,
        name: &'static str,
        command: Command,
    ) -> Result<(), ServerError> {
        self.start(name, command)?;
        let status = self.ended(name, "done").await?;
        if status.success() {
            return Ok(());
        }
        Err(self.ended_by_itself(name, status))
    }

    /// Succeeds as long as a program has not ended.
    pub(crate) fn runs(&self, name: &'static str) -> Result<(), ServerError> {
        let ended = self.state().collect(name)?;
        match ended {
            None => Ok(()),
            Some(status) => Err(self.ended_by_itself(name, status)),
        }
    }

    fn ended_by_itself(&self, program: &'static str, status: ExitStatus) -> ServerError {
        ServerError::Ended {
            program,
            status: status.to_string(),
            log: self.tail(program),
        }
    }

    /// Kills a program and all below it at one moment, and waits until they are gone.
    pub(crate) async fn kill(&self, name: &'static str) -> Result<(), ServerError> {
        let root = self.id(name)?;
        let frozen = tree::freeze(root).await;
        tree::signal(&frozen, Signal::KILL);
        self.ended(name, "killed").await?;
        let deadline = Instant::now() + END_WITHIN;
        while !tree::alive(&frozen).is_empty() {
            if Instant::now() > deadline {
                return Err(self.late(name, "killed", END_WITHIN));
            }
            tokio::time::sleep(tree::LOOK).await;
        }
        Ok(())
    }

    /// Stops a program and all below it where they are.
    pub(crate) async fn pause(&self, name: &'static str) -> Result<(), ServerError> {
        let root = self.id(name)?;
        tree::freeze(root).await;
        Ok(())
    }

    /// Lets them go on.
    pub(crate) fn resume(&self, name: &'static str) -> Result<(), ServerError> {
        let mut family = tree::family(self.id(name)?);
        // The server last: it must not find its children unresponsive.
        family.reverse();
        tree::signal(&family, Signal::CONT);
        Ok(())
    }

    /// Asks a program to end in its own way, and waits until it has.
    pub(crate) async fn stop(&self, name: &'static str, signal: Signal) -> Result<(), ServerError> {
        tree::signal(&[self.id(name)?], signal);
        self.ended(name, "stopped").await?;
        Ok(())
    }

    /// The error of a program that did not come to a state in time.
    pub(crate) fn late(
        &self,
        program: &'static str,
        state: &'static str,
        waited: Duration,
    ) -> ServerError {
        ServerError::Late {
            program,
            state,
            waited,
            log: self.tail(program),
        }
    }

    async fn ended(
        &self,
        name: &'static str,
        state: &'static str,
    ) -> Result<ExitStatus, ServerError> {
        let deadline = Instant::now() + END_WITHIN;
        loop {
            let ended = self.state().collect(name)?;
            if let Some(status) = ended {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(self.late(name, state, END_WITHIN));
            }
            tokio::time::sleep(tree::LOOK).await;
        }
    }

    fn id(&self, name: &'static str) -> Result<u32, ServerError> {
        let state = self.state();
        let found = state.find(name).and_then(|place| state.running.get(place));
        found
            .map(|(_, child)| child.id())
            .ok_or(ServerError::Down(name))
    }

    fn said(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.said"))
    }

    fn tail(&self, name: &str) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = std::fs::File::open(self.said(name))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut tail = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut tail)?;
            Ok(tail)
        };
        let tail = read().unwrap_or_default();
        String::from_utf8_lossy(&tail).trim().to_owned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, name: &str) -> Option<usize> {
        self.running.iter().position(|(known, _)| *known == name)
    }

    /// The status of a program that has ended; from then on it is not known any more.
    fn collect(&mut self, name: &'static str) -> Result<Option<ExitStatus>, ServerError> {
        let place = self.find(name).ok_or(ServerError::Down(name))?;
        let Some((_, child)) = self.running.get_mut(place) else {
            return Err(ServerError::Down(name));
        };
        let ended = child
            .try_wait()
            .map_err(ServerError::io(format!("wait for {name}")))?;
        if ended.is_some() {
            self.running.remove(place);
            self.tell()?;
        }
        Ok(ended)
    }

    /// Tells the warden what runs now.
    fn tell(&mut self) -> Result<(), ServerError> {
        let ids: Vec<String> = self
            .running
            .iter()
            .map(|(_, child)| child.id().to_string())
            .collect();
        let line = format!("{}\n", ids.join(" "));
        let Some(input) = self.warden.stdin.as_mut() else {
            return Ok(());
        };
        input
            .write_all(line.as_bytes())
            .map_err(ServerError::io("tell the warden"))
    }
}

impl Drop for Sandbox {
    /// Lets the warden do its work, and waits for it.
    fn drop(&mut self) {
        let mut state = self.state();
        drop(state.warden.stdin.take());
        while let Ok(None) = state.warden.try_wait() {
            // Whoever is not collected looks alive to the warden.
            for (_, child) in &mut state.running {
                let _ = child.try_wait();
            }
            std::thread::sleep(tree::LOOK);
        }
    }
}
