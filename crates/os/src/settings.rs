//! Settings: what the machine changes of the process and its world while it runs, and its questions to the host.
//!
//! A question is answered at once, on the loop's thread: an operator asked, and waits.

use crate::process::{self, Title};
use crate::reactor::Reactor;
use crate::{crash, syscalls, watchdog};
use machine::{HostQuestion, HostRefusal, HostSetting, Level, OomScore};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Connections beyond `maxclients` that a machine needs itself: bus links, its primary.
pub const OWN_CONNECTIONS: u32 = 4_096;
/// 32: descriptors that the originals keep for themselves when they compare `maxclients` with the limit of open files.
pub const OWN_FILES: u32 = 32;

/// The process as a service: its file, its supervisor, its title.
#[derive(Debug)]
pub(crate) struct Service {
    config_file: Option<PathBuf>,
    tells_systemd: bool,
    title: Option<Arc<Title>>,
    /// The score that was found, once it was changed.
    oom_found: Option<i32>,
}

impl Service {
    pub(crate) fn new(
        config_file: Option<PathBuf>,
        tells_systemd: bool,
        title: Option<Arc<Title>>,
    ) -> Service {
        Service { config_file, tells_systemd, title, oom_found: None }
    }

    fn tell(&self, note: &str) {
        if self.tells_systemd {
            // A supervisor that does not listen is no reason not to serve.
            let _heard = process::tell_systemd(note);
        }
    }

    /// Sets the score; gives the one before.
    fn set_oom_score(&mut self, score: OomScore) -> io::Result<Option<i32>> {
        if score == OomScore::AsFound && self.oom_found.is_none() {
            return Ok(None);
        }
        let before = process::oom_score()?;
        let found = *self.oom_found.get_or_insert(before);
        let wanted = match score {
            OomScore::AsFound => found,
            OomScore::Relative(more) => found.saturating_add(more),
            OomScore::Absolute(score) => score,
        };
        // 1000: the bounds of the kernel's scale.
        process::set_oom_score(wanted.clamp(-1000, 1000))?;
        if score == OomScore::AsFound {
            self.oom_found = None;
        }
        Ok(Some(before))
    }
}

/// How to undo a setting.
enum Undo {
    Nothing,
    Dir(PathBuf),
    OomScore { score: Option<i32>, found: Option<i32> },
    ConnectionsMax(u32),
}

impl Reactor {
    /// A setting that can not be refused.
    pub(crate) fn set(&mut self, setting: HostSetting) {
        match setting {
            HostSetting::TcpKeepalive(seconds) => self.listeners.set_keepalive(seconds),
            HostSetting::LogLevel(level) => self.log.level = level,
            HostSetting::LogRole(role) => {
                self.log.role = role;
                crash::set_role(role);
            }
            HostSetting::CrashLog(is_on) => crash::handle(is_on),
            HostSetting::Portrait { clients, current } => crash::portray(&clients, &current),
            HostSetting::Watchdog(period_ms) => watchdog::set(period_ms),
            HostSetting::Source(name) => self.set_source(name),
            HostSetting::Gather(conn) => self.let_gather(conn),
            HostSetting::Title(text) => {
                if let Some(title) = &self.service.title {
                    title.show(text.as_bytes());
                }
            }
            HostSetting::Ready(text) => {
                self.service.tell(&format!("STATUS={text}\n"));
                self.service.tell("READY=1\n");
            }
            HostSetting::Stopping => self.service.tell("STOPPING=1\n"),
            refusable => {
                if let Err(text) = self.apply(&refusable) {
                    self.log.write(Level::Warning, &format!("{refusable:?} can not be applied: {text}"));
                }
            }
        }
    }

    /// Answers a question of the machine.
    pub(crate) fn answer(&mut self, question: HostQuestion) -> Result<Vec<u8>, HostRefusal> {
        let refused = |error: io::Error| HostRefusal { at: 0, text: plain(&error) };
        let no_file = || io::Error::new(io::ErrorKind::NotFound, "there is no configuration file");
        let no_control = |text: &str| HostRefusal { at: 0, text: text.into() };
        match question {
            HostQuestion::AllocatorNumber { name, value } => {
                let number = (self.facts.allocator().number)(&name, value).map_err(no_control)?;
                Ok(number.to_string().into_bytes())
            }
            HostQuestion::AllocatorText { name, value } => {
                (self.facts.allocator().text)(&name, value.as_deref()).map(<[u8]>::to_vec).map_err(no_control)
            }
            HostQuestion::Apply(settings) => self.apply_all(&settings),
            HostQuestion::ReadConfig => {
                let path = self.service.config_file.as_ref().ok_or_else(no_file).map_err(refused)?;
                match fs::read(path) {
                    Ok(text) => Ok(text),
                    // It is made anew.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                    Err(error) => Err(refused(error)),
                }
            }
            HostQuestion::WriteConfig(text) => {
                let path = self.service.config_file.as_ref().ok_or_else(no_file).map_err(refused)?;
                replace_config(path, &text).map(|()| Vec::new()).map_err(refused)
            }
        }
    }

    fn apply_all(&mut self, settings: &[HostSetting]) -> Result<Vec<u8>, HostRefusal> {
        let mut done = Vec::new();
        let mut answer = Vec::new();
        for (at, setting) in settings.iter().enumerate() {
            match self.apply(setting) {
                Ok(undo) => {
                    if matches!(setting, HostSetting::Dir(_)) {
                        answer = self.disks.dir().as_os_str().as_encoded_bytes().to_vec();
                    }
                    done.push(undo);
                }
                Err(text) => {
                    done.into_iter().rev().for_each(|undo| self.undo(undo));
                    return Err(HostRefusal { at, text });
                }
            }
        }
        Ok(answer)
    }

    fn apply(&mut self, setting: &HostSetting) -> Result<Undo, String> {
        match setting {
            HostSetting::Dir(dir) => {
                let before = self.disks.dir().to_path_buf();
                let entered = std::env::set_current_dir(dir).and_then(|()| std::env::current_dir());
                self.disks.set_dir(entered.map_err(|error| plain(&error))?);
                Ok(Undo::Dir(before))
            }
            HostSetting::ClientsMax(clients) => {
                let before = self.connections_max;
                let wanted = u64::from(*clients) + u64::from(OWN_FILES);
                let allowed = syscalls::raise_open_files(wanted);
                if allowed < wanted {
                    let fewer = allowed.saturating_sub(OWN_FILES.into());
                    return Err(format!(
                        "The operating system is not able to handle the specified number of clients, try with {fewer}"
                    ));
                }
                self.connections_max = clients.saturating_add(OWN_CONNECTIONS);
                Ok(Undo::ConnectionsMax(before))
            }
            HostSetting::OomScore(score) => {
                let found = self.service.oom_found;
                match self.service.set_oom_score(*score) {
                    Ok(before) => Ok(Undo::OomScore { score: before, found }),
                    Err(error) => {
                        self.log.write(Level::Warning, &format!("Unable to write oom_score_adj: {error}"));
                        self.service.oom_found = found;
                        Err("Failed to set current oom_score_adj. Check server logs.".into())
                    }
                }
            }
            HostSetting::Listen { bind, port } => self.listen_anew(bind, *port).map(|()| Undo::Nothing),
            other => {
                self.set(other.clone());
                Ok(Undo::Nothing)
            }
        }
    }

    /// Takes a setting back; what it was before was possible a moment ago.
    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Nothing => {}
            Undo::Dir(dir) => {
                let _back = std::env::set_current_dir(&dir);
                self.disks.set_dir(dir);
            }
            Undo::ConnectionsMax(count) => self.connections_max = count,
            Undo::OomScore { score, found } => {
                self.service.oom_found = found;
                let _back = score.map(process::set_oom_score);
            }
        }
    }
}

/// The system's own words, without the number that the standard library adds.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// Writes beside the file, then takes its place: a reader sees the old content or the new, whole.
fn replace_config(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let write = || {
        fs::write(&temporary, text)?;
        let mode = 0o644 & !process::umask();
        fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
        fs::File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().inspect_err(|_| {
        // What is left over is replaced by the next rewrite.
        let _gone = fs::remove_file(&temporary);
    })
}
